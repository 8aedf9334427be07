"""Whether more comes than can be made rows."""

from typing import Final

_WINDOW_SECONDS: Final = 1.0
_BUSY: Final = 0.5
"""Of the time: the other half is receiving's, where both have one core."""
_LESS: Final = 0.5
"""Of what came when it rose: so little ends it."""
_GROUPS: Final = 3
"""A single large request keeps the writer busy for as long, and nobody waits behind it."""


class Pressure:
    """Looks at a second's writes at a time.

    It is high from where half of the time went into making rows until half as much comes as came
    then. Times are monotonic, in seconds.
    """

    def __init__(self, now_seconds: float) -> None:
        self.is_high = False
        self._since_seconds = now_seconds
        self._busy_seconds = 0.0
        self._groups = 0
        self._spans = 0
        self._most_per_second = 0.0

    def wrote(self, spans: int, began_seconds: float, now_seconds: float) -> None:
        """A group of so many spans was committed, as rows or whole."""
        self._spans += spans
        self._groups += 1
        self._busy_seconds += now_seconds - began_seconds
        passed_seconds = now_seconds - self._since_seconds
        if passed_seconds < _WINDOW_SECONDS:
            return
        per_second = self._spans / passed_seconds
        if self.is_high:
            self.is_high = per_second > _LESS * self._most_per_second
        elif self._groups >= _GROUPS and self._busy_seconds > _BUSY * passed_seconds:
            self.is_high = True
            self._most_per_second = per_second
        self._since_seconds, self._busy_seconds = now_seconds, 0.0
        self._groups = self._spans = 0

    def rested(self, seconds: float) -> None:
        """So long something else was done, by choice: that says nothing of what comes."""
        if not self.is_high:
            self._since_seconds += seconds
