"""X-Ray's datetimes and Unix nanoseconds."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from flujo_otel.errors import MalformedTrace
from flujo_otel.model.record import LAST_TIME_NS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_ns(time: datetime) -> int:
    """Naive is local, as `datetime.now()` is. Raises MalformedTrace for a time that Unix time does
    not reach."""
    try:
        time_ns = (time.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedTrace(f"{time!r} cannot be stored: {error}.") from error
    if not 0 <= time_ns <= LAST_TIME_NS:
        raise MalformedTrace(f"{time!r} cannot be stored: it must be from 1970 to 2262.")
    return time_ns


def from_ns(time_ns: int, offset_seconds: int | None = None) -> datetime:
    """Local and naive, or aware with that offset. Exact to the microsecond."""
    zone = None if offset_seconds is None else timezone(timedelta(seconds=offset_seconds))
    seconds, rest_ns = divmod(time_ns, 10**9)
    return datetime.fromtimestamp(seconds, zone).replace(microsecond=rest_ns // 1000)


def offset_seconds(time: datetime) -> int | None:
    """Of an aware time; None where it is naive."""
    offset = time.utcoffset()
    return None if offset is None else int(offset.total_seconds())
