"""Which traces are recorded (seed, 17.1.6)."""

from collections import deque
from random import SystemRandom
from time import monotonic
from typing import Final

from flujo_otel.errors import SettingsError
from flujo_otel.lock import SurvivingLock
from flujo_otel.storage.traces import Trace

_HOUR_SECONDS: Final = 3600.0

# Not the random module's own generator, which the traced program may have seeded.
_random: Final = SystemRandom()
_taking: Final = SurvivingLock()


class Sampling:
    """Of one XRay. Raises SettingsError for what cannot be meant."""

    def __init__(
        self,
        rate: float,
        *,
        keep_failed: bool,
        keep_slower_than_seconds: float | None,
        rate_limit: int | None,
    ) -> None:
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise SettingsError(f"sampling_rate is {rate!r}; it must be a number from 0 to 1.")
        self._rate = rate
        self._keep_failed = keep_failed
        self._slow_ms = _slow_ms(keep_slower_than_seconds)
        self._limit = None if rate_limit is None else HourlyLimit(rate_limit)

    @property
    def has_tail(self) -> bool:
        """Whether a trace that was not sampled may be recorded at its end."""
        return self._keep_failed or self._slow_ms is not None

    def is_sampled(self) -> bool:
        """Whether the trace that begins now is recorded, by the dice of `sampling_rate`."""
        return self._rate >= 1 or _random.random() < self._rate

    def is_kept(self, trace: Trace) -> bool:
        """Whether one that was not sampled is recorded after all, now that it has ended."""
        if self._keep_failed and trace.status == "failed":
            return True
        return self._slow_ms is not None and (trace.duration_ms or 0) >= self._slow_ms

    def is_within_limit(self) -> bool:
        """Count one more against the hourly limit; False where it is reached."""
        return self._limit is None or self._limit.take()


class HourlyLimit:
    """So many in any hour, not in each that the clock begins."""

    def __init__(self, most: int) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise SettingsError(f"rate_limit is {most!r}; it must be a whole number per hour.")
        self._most = most
        self._taken: deque[float] = deque()

    def take(self, now_seconds: float | None = None) -> bool:
        """`now_seconds`: of a clock that is never set back."""
        now = monotonic() if now_seconds is None else now_seconds
        with _taking:
            while self._taken and now - self._taken[0] >= _HOUR_SECONDS:
                self._taken.popleft()
            if len(self._taken) >= self._most:
                return False
            self._taken.append(now)
            return True


def _slow_ms(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise SettingsError(
            f"keep_slower_than_seconds is {seconds!r}; it must be a number of seconds, or None."
        )
    return seconds * 1000
