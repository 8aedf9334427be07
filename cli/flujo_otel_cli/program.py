"""Another program, run in our place: its streams, its signals and its exit code pass unchanged."""

import os
import select
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from flujo_otel_cli.problem import Problem
from flujo_otel_cli.text import escape

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_THE_KEYBOARD = ("SIGINT", "SIGQUIT")
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_LOOK_SECONDS = 1.0
"""Whoever started `lens` may have had SIGCHLD blocked, which says when a program ends."""


class Program:
    """Started when made. Raises Problem, with a shell's exit code, where it cannot be.

    `terminal`: what it writes to in place of the terminal that it would write to.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        terminal: int | None = None,
    ) -> None:
        self._early: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        shared = _FROM_THE_KEYBOARD if _is_in_foreground() else ()
        for name in _FORWARDED:
            number = getattr(signal, name)
            if signal.getsignal(number) is signal.SIG_IGN:  # by nohup: the program inherits that
                continue
            # The keyboard's signals reach the whole foreground group: forwarded they come twice.
            signal.signal(number, self._ignore if name in shared else self._forward)
        self._process = _started(arguments, environment, terminal)
        for number in self._early:
            self._process.send_signal(number)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def is_over(self) -> bool:
        """Whether it has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    def wait(self) -> int:
        """Its exit code; 128 + n where signal n killed it, as shells say it."""
        assert self._process is not None
        with _heard() as signals:
            while self._process.poll() is None:
                if select.select([signals], [], [], _LOOK_SECONDS)[0]:
                    os.read(signals, 4096)
        code = self._process.returncode
        return 128 - code if code < 0 else code

    @property
    def was_killed(self) -> bool:
        """By a signal; not before `wait`."""
        return self._code < 0

    @property
    def was_interrupted(self) -> bool:
        """By SIGINT, which Ctrl-C sends; not before `wait`."""
        return self._code == -signal.SIGINT

    @property
    def has_failed(self) -> bool:
        """It ended with another code than 0; not before `wait`."""
        return self._code != 0

    @property
    def _code(self) -> int:
        """As the system gives it: -n where signal n killed it."""
        assert self._process is not None and self._process.returncode is not None
        return self._process.returncode

    def _forward(self, number: int, _: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def _ignore(self, _: int, __: FrameType | None) -> None:
        """Unlike SIG_IGN, a handler is not inherited by the program."""


@contextmanager
def _heard() -> Iterator[int]:
    """A file to read from until a signal has come: also one in the moment before, or to another
    thread, which no call of the system's notices. SIGCHLD, at the program's end, is one as well."""
    heard, hears = os.pipe()
    os.set_blocking(hears, False)
    fd_before = signal.set_wakeup_fd(hears, warn_on_full_buffer=False)
    handler_before = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGCHLD, handler_before)
        signal.set_wakeup_fd(fd_before)
        os.close(heard)
        os.close(hears)


def _started(
    arguments: Sequence[str], environment: Mapping[str, str], terminal: int | None
) -> subprocess.Popen[bytes]:
    name = escape(arguments[0])
    stdout = terminal if terminal is not None and os.isatty(1) else None
    try:
        return subprocess.Popen(arguments, env=environment, stdout=stdout, stderr=terminal)
    except FileNotFoundError:
        message = f"lens run: {name}: not found.{_instead(arguments)}"
        raise Problem(_NOT_FOUND, "no_such_command", message) from None
    except OSError as error:
        message = f"lens run: {name}: {error.strerror}."
        raise Problem(_NOT_EXECUTABLE, "not_executable", message) from None


def _instead(arguments: Sequence[str]) -> str:
    """What was meant, where the name is that of a file that is here."""
    if not Path(arguments[0]).is_file():
        return ""
    found = shlex.join(arguments)
    meant = f"python {found}" if arguments[0].endswith(".py") else f"./{found}"
    return f" Did you mean: lens run -- {escape(meant)}"


def _is_in_foreground() -> bool:
    """Whether the terminal's keyboard sends its signals to our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
