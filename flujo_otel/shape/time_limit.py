"""How long the program's own code may take to say what a value is made of."""

from time import monotonic, thread_time
from typing import Final

_WAIT_SECONDS: Final = 1.0
"""More, on the clock: beside busy threads a value waits for its turns, and its code may sleep."""


class TimeLimit:
    """So many seconds of this thread's CPU, from a little after its making on; a second more on the
    clock. To ask whether it is over costs a look at the clock, 50 ns."""

    __slots__ = ("_cpu_ends_at", "_ends_at", "_next_at", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next_at = monotonic() + seconds
        self._ends_at = self._next_at + _WAIT_SECONDS
        self._cpu_ends_at = 0.0
        """Not asked for at the start, which costs ten times what the clock does: few values ever
        take so long."""

    @property
    def is_over(self) -> bool:
        """To be asked again and again: the CPU is looked at only once the seconds are up on the
        clock, and counts from then on."""
        now = monotonic()
        if now < self._next_at:
            return False
        if now >= self._ends_at:
            return True
        cpu_seconds = thread_time()
        if not self._cpu_ends_at:
            self._cpu_ends_at = cpu_seconds + self._seconds
        self._next_at = now + self._seconds / 8
        return cpu_seconds >= self._cpu_ends_at
