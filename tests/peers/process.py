"""A program that serves on this machine: started, waited for, killed, started again."""

import http.client
import itertools
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

READY_SECONDS = 60.0
_candidates = itertools.count(20_000 + os.getpid() * 37 % 9_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on.

    Below the range that the kernel gives to clients: while a killed backend is away, a client that
    keeps calling its port could otherwise be given that very port, and so be connected to itself.
    """
    found: list[int] = []
    for port in _candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free port")


def get(url: str, accept: str = "application/json", timeout_seconds: float = 10.0) -> bytes | None:
    """The body, None where there is nothing there (404) or nobody answers."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        if error.code in (404, 503):
            return None
        raise AssertionError(f"{url}: {error.code} {error.read()[:500]!r}") from None
    except (OSError, http.client.HTTPException):
        return None


def wait_until(what: str, holds: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    """Fails after `seconds` with what it was waiting for."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)


class ServerProcess:
    """One server. What it prints goes to `log`; a failing test shows the end of it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.folder = folder
        self.log = folder / "output.log"
        self._is_ready = is_ready
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> float:
        """Start it, wait until it is ready, and say after how many seconds it was."""
        started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(f"{self.command[0]} to be ready", self._ready_or_ended)
        return time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL: nothing is flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it."""
        self._end(signal.SIGTERM)

    def _ready_or_ended(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self.command[0]} ended with {code}:\n{self.last_words()}"
        return self._is_ready()

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
