"""Whether more comes than can be made rows."""

from typing import Final

_WINDOW_SECONDS: Final = 1.0
_BUSY: Final = 0.5
"""Of the time, spent on writing. The rest is receiving's, where both have one core."""
_BURNING: Final = 0.8
"""Of a core, whatever for: to decode JSON takes twice what making rows does."""
_LESS: Final = 0.7
"""Of what came when it rose: so little ends it."""
_GROUPS: Final = 3
"""A single large request keeps the writer busy for as long, and nobody waits behind it."""


class Pressure:
    """Looks at a second's writes at a time.

    It is high from where a second was busy until clearly less comes than came in that. Times are
    in seconds: those of a moment monotonic, `cpu_seconds` this process's so far.
    """

    def __init__(self, now_seconds: float, cpu_seconds: float) -> None:
        self.is_high = False
        self._most_per_second = 0.0
        self._begin(now_seconds, cpu_seconds)

    def wrote(
        self, spans: int, began_seconds: float, now_seconds: float, cpu_seconds: float
    ) -> None:
        """A group of so many spans was committed, as rows or as they came."""
        self._spans += spans
        self._groups += 1
        self._busy_seconds += now_seconds - began_seconds
        passed_seconds = now_seconds - self._since_seconds
        if passed_seconds < _WINDOW_SECONDS:
            return
        per_second = self._spans / passed_seconds
        burnt_seconds = cpu_seconds - self._cpu_seconds
        if self.is_high:
            self.is_high = per_second > _LESS * self._most_per_second
        elif self._groups >= _GROUPS and (
            self._busy_seconds > _BUSY * passed_seconds or burnt_seconds > _BURNING * passed_seconds
        ):
            self.is_high = True
            self._most_per_second = per_second
        self._begin(now_seconds, cpu_seconds)

    def rested(self, seconds: float, cpu_seconds: float) -> None:
        """So much went into something else, by choice: that says nothing of what comes."""
        if not self.is_high:
            self._since_seconds += seconds
            self._cpu_seconds += cpu_seconds

    def _begin(self, now_seconds: float, cpu_seconds: float) -> None:
        self._since_seconds, self._cpu_seconds = now_seconds, cpu_seconds
        self._busy_seconds = 0.0
        self._groups = self._spans = 0
