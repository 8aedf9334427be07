"""`lens`, and the programs whose traces it shows, as processes of their own: in a pipe or on a
terminal, run to their end or listened to meanwhile."""

import json
import os
import pty
import queue
import signal
import subprocess
import sysconfig
import termios
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

LENS = str(Path(sysconfig.get_path("scripts")) / "lens")
TIMEOUT_SECONDS = 60


def environment(**more: str) -> dict[str, str]:
    """This one without what a developer's shell may set."""
    left_out = ("FLUJO_", "OTEL_", "COLUMNS", "LC_ALL", "NO_COLOR", "FORCE_COLOR")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    # As in a shell with the environment activated: what is to be copied is `lens ...` then.
    path = os.pathsep.join([str(Path(LENS).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "LANG": "C.UTF-8", "FLUJO_OTEL_RAISE": "1", **more}


def finished(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command that was run to its end in `folder`, with what it wrote in pipes."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def told(folder: Path, *arguments: str, exit_code: int = 0) -> str:
    """What `lens` wrote, in a pipe of 100 columns; on both streams."""
    done = finished(folder, LENS, *arguments, COLUMNS="100")
    assert done.returncode == exit_code, done.stderr
    return done.stdout + done.stderr


def written(folder: Path, *command: str) -> str:
    """What a program wrote, which must do well and warn of nothing."""
    done = finished(folder, *command)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


class Lens:
    """A running `lens`, its output a pipe, or a terminal of so many `columns`."""

    def __init__(self, *arguments: str, cwd: Path, columns: int | None = None, **more: str) -> None:
        ours, theirs = os.pipe() if columns is None else pty.openpty()
        if columns is not None:
            termios.tcsetwinsize(theirs, (40, columns))
        self.process = subprocess.Popen(
            [LENS, *arguments],
            cwd=cwd,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE if columns is None else theirs,
            text=True,
        )
        os.close(theirs)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._reader.start()

    def __enter__(self) -> "Lens":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def line(self) -> str:
        """The next one. A line that is drawn over ends in a carriage return."""
        line = self._lines.get(timeout=TIMEOUT_SECONDS)
        assert line is not None, f"lens has ended: {self.process.wait()}"
        return line

    def until(self, part: str) -> list[str]:
        """The lines up to the one with `part` in it."""
        lines = [self.line()]
        while part not in lines[-1]:
            lines.append(self.line())
        return lines

    def document(self) -> Any:
        return json.loads(self.line())

    def rest(self) -> list[str]:
        """What comes until it ends."""
        return list(iter(lambda: self._lines.get(timeout=TIMEOUT_SECONDS), None))

    def stop(self, number: int = signal.SIGINT) -> int:
        """Its exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_SECONDS)

    def errors(self) -> str:
        """All of standard error, once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def _read(self, ours: int) -> None:
        with open(ours, encoding="utf-8", newline="\n") as stream:
            try:
                for line in stream:
                    self._lines.put(line.rstrip("\r\n"))
            except OSError:  # Linux says EIO where nobody holds the other end of a terminal
                pass
        self._lines.put(None)
