"""When something began, and how long ago that was."""

from time import perf_counter_ns, time_ns
from typing import Final

_MICROSECOND_NS: Final = 1000


class Moment:
    """Unix time in whole microseconds, which is what a `datetime` holds: the span and the model say
    the same. A clock that is set back meanwhile makes no duration negative."""

    __slots__ = ("_started_ns", "time_ns")

    def __init__(self) -> None:
        self.time_ns = time_ns() // _MICROSECOND_NS * _MICROSECOND_NS
        self._started_ns = perf_counter_ns()

    def later_ns(self) -> int:
        """Unix time now."""
        passed_ns = perf_counter_ns() - self._started_ns
        return self.time_ns + passed_ns // _MICROSECOND_NS * _MICROSECOND_NS
