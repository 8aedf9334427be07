"""How much comes, against what can be made rows."""

from typing import Final

_WINDOW_SECONDS: Final = 1.0
_SHARED: Final = 0.125
"""Of the time, spent on writing, and it is worth making rows of many requests together: 10,000
spans a second take twice that, a span each of 100 requests a second as much."""
_BURNING: Final = 0.8
"""Of a core, whatever for: to decode JSON takes as much as making rows does (protobuf a third), and
is no writing. 10,000 spans a second take 0.3 to 0.5."""
_BUSY: Final = 0.75
"""Of the time, spent on writing: a disk is slow, or other programs have the cores. 10,000 spans a
second take 0.3 to 0.5, what is more than can be made rows 0.95."""
_FULL_WINDOWS: Final = 2
"""One after the other: a checkpoint, or a neighbour, takes one now and then, and what is kept is
seen half a minute later."""
_LESS: Final = 0.7
"""Of what came when it rose: so little ends it."""
_QUIET_SECONDS: Final = 1.0
"""Without any request ends it too: the next one, an hour later, is no part of a flood."""
_GROUPS: Final = 3
"""A single large request keeps the writer busy for as long, and nobody waits behind it."""


class Pressure:
    """Looks at a second's writes at a time.

    There is enough to share once writing took an eighth of a second's time; pressure is high once
    seconds were full. Both last until clearly less comes than did then. Times are in seconds: those
    of a moment monotonic, `cpu_seconds` this process's so far.
    """

    def __init__(self, now_seconds: float, cpu_seconds: float) -> None:
        self._sharing, self._high = _Level(), _Level()
        self._latest_seconds = now_seconds
        self._full_windows = 0
        self._begin(now_seconds, cpu_seconds)

    @property
    def is_enough_to_share(self) -> bool:
        """Whether rows made together of what comes in a second are clearly cheaper."""
        return self._sharing.is_up

    @property
    def is_high(self) -> bool:
        """Whether more comes than can be made rows."""
        return self._high.is_up

    def writes(self, now_seconds: float) -> None:
        """A group is about to be committed, as rows or as it came."""
        if now_seconds - self._latest_seconds > _QUIET_SECONDS:
            self._sharing.is_up = self._high.is_up = False

    def wrote(
        self, spans: int, began_seconds: float, now_seconds: float, cpu_seconds: float
    ) -> None:
        """A group of so many spans was committed, as rows or as they came; 0: nothing new came,
        rows were made of what shared a pour."""
        self._latest_seconds = now_seconds
        self._spans += spans
        self._groups += 1
        self._busy_seconds += now_seconds - began_seconds
        passed_seconds = now_seconds - self._since_seconds
        if passed_seconds < _WINDOW_SECONDS:
            return
        per_second = self._spans / passed_seconds
        is_busy = self._groups >= _GROUPS and self._busy_seconds > _SHARED * passed_seconds
        self._sharing.look(per_second, is_busy)
        is_full = self._is_full(passed_seconds, cpu_seconds - self._cpu_seconds)
        self._full_windows = 0 if self.is_high or not is_full else self._full_windows + 1
        self._high.look(per_second, self._full_windows >= _FULL_WINDOWS)
        self._begin(now_seconds, cpu_seconds)

    def rested(self, seconds: float, cpu_seconds: float) -> None:
        """So much went into something else, by choice: that says nothing of what comes."""
        self._latest_seconds += seconds
        if not self.is_high:  # else requests are counted, which come meanwhile too
            self._since_seconds += seconds
            self._cpu_seconds += cpu_seconds

    def _is_full(self, passed_seconds: float, burnt_seconds: float) -> bool:
        is_busy = self._busy_seconds > _BUSY * passed_seconds
        is_burning = burnt_seconds > _BURNING * passed_seconds
        return self._groups >= _GROUPS and (is_busy or is_burning)

    def _begin(self, now_seconds: float, cpu_seconds: float) -> None:
        self._since_seconds, self._cpu_seconds = now_seconds, cpu_seconds
        self._busy_seconds = 0.0
        self._groups = self._spans = 0


class _Level:
    """Up from one second on until clearly fewer spans come than in that."""

    def __init__(self) -> None:
        self.is_up = False
        self._at_rise_per_second = 0.0

    def look(self, per_second: float, is_reached: bool) -> None:
        if self.is_up:
            self.is_up = per_second > _LESS * self._at_rise_per_second
        elif is_reached:
            self.is_up = True
            self._at_rise_per_second = per_second
