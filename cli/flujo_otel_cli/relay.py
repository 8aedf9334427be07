"""A program's output on its way to the terminal, with something of ours kept drawn beneath it."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

_CLEAR_BELOW = "\x1b[J"


class Relay:
    """A terminal of the program's own, in place of the one that it would write to.

    It has the real one's size, and leaves the line ends to that. Standard output that goes
    elsewhere, and standard input, stay as they are.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self.resize()
        self._leave_line_ends()

    def resize(self) -> None:
        """The real terminal's size."""
        import fcntl
        import termios

        with suppress(OSError):
            size = fcntl.ioctl(sys.stderr.fileno(), termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, size)

    def started(self) -> None:
        """The program has its end now: ours of it must not keep it open."""
        os.close(self.theirs)

    def read(self, timeout_seconds: float) -> bytes | None:
        """What it wrote, b"" where it wrote nothing in so long; None: nobody can write any more."""
        import select

        try:
            if not select.select([self.ours], [], [], timeout_seconds)[0]:
                return b""
            return os.read(self.ours, 65536) or None
        except OSError:  # Linux says EIO where the other end is closed
            return None

    def close(self) -> None:
        os.close(self.ours)

    def _leave_line_ends(self) -> None:
        import termios

        attributes = termios.tcgetattr(self.theirs)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(self.theirs, termios.TCSANOW, attributes)


class Footer:
    """Lines below all that is written, as long as that ends in a line break: a prompt, or a
    progress bar, is left alone."""

    def __init__(self) -> None:
        self._lines: Sequence[str] = ()
        self._drawn = 0
        self._at_start = True

    def draw(self, lines: Sequence[str]) -> None:
        """Show these instead; each fits the terminal's width."""
        self._lines = lines
        if self._at_start:
            self._put(b"")

    def write(self, output: bytes) -> None:
        """Pass `output` on, above the lines."""
        self._at_start = output.endswith(b"\n")
        self._put(output)

    def close(self) -> None:
        """Take them away; what comes then begins a line of its own."""
        self._lines = ()
        self._put(b"" if self._at_start else b"\n")

    def _put(self, output: bytes) -> None:
        up = f"\x1b[{self._drawn}F{_CLEAR_BELOW}" if self._drawn else ""
        lines = self._lines if self._at_start else ()
        self._drawn = len(lines)
        text = "".join(f"{line}\n" for line in lines)
        everything = up.encode() + output + text.encode(sys.stderr.encoding, "replace")
        while everything:
            everything = everything[os.write(sys.stderr.fileno(), everything) :]
