"""flujo's times in nanoseconds of Unix time."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)

# Seconds below this (the year 2001) are none of Unix time but of a clock that started with the
# machine, as flujo 0.6 stores its spans' times.
_FIRST_UNIX_SECOND = 1e9


def of_iso(text: Any) -> int | None:
    """An ISO time, UTC where it is naive (0.4 writes utcnow()). None where it is no time."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return of_datetime(time)


def of_datetime(time: datetime) -> int:
    """UTC where it is naive."""
    since = time - (_NAIVE_EPOCH if time.tzinfo is None else _EPOCH)
    return since // _MICROSECOND * 1000


def of_local(time: datetime) -> int:
    """Local where it is naive, as a state's are: there 0.4 writes now(), not utcnow().

    timestamp() is a float, which has times before 2106 to 0.3 us: rounded to the microseconds that
    a datetime has they are exact. To take the zone's offset off first takes four times as long.
    """
    return round(time.timestamp() * 10**6) * 1000


def to_iso(time_ns: int) -> str:
    """As flujo's columns word it, so that text compares as time: naive, no zero fraction."""
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).replace(tzinfo=None).isoformat()


def of_seconds(seconds: Any) -> int | None:
    """A REAL column's seconds as nanoseconds; None where it holds something else."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return round(seconds * 1e9)


def anchor_ns(first_seconds: Any, run_start_ns: int) -> int:
    """What to add to a run's span times: a monotonic clock's first one is put at its run's start.

    `first_seconds` is the run's earliest span start as stored.
    """
    first_ns = of_seconds(first_seconds)
    if first_ns is None or first_ns >= _FIRST_UNIX_SECOND * 1e9:
        return 0
    return run_start_ns - first_ns
