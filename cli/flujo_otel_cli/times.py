"""Times and durations as a person reads them, and as a machine does. All in nanoseconds."""

import re
import time
from datetime import datetime

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_LAST_NS = (1 << 63) - 1024
"""Nothing that is stored is later, in the year 2262; as exact as a float has it."""

_UNITS = {
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": 7 * DAY,
}
_FRACTION = r"([^+]+?\D(?:\d\d:\d\d:\d\d|\d{6}))[.,](\d+)(?![\d.,])(.*)"
_LENGTH = r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)"


def duration(ns: float, micro: str = "µ") -> str:
    """`310 ms`, `1.90 s`, `1:04`, `2:03:04`, `3 d 4 h`: about three figures."""
    ns = round(ns)
    if ns < 0:
        return "-" + duration(-ns, micro)
    if ns < MILLISECOND:
        return f"{ns} ns" if ns < MICROSECOND else _figures(ns / MICROSECOND, f"{micro}s")
    if round(ns / MILLISECOND) < 1000:
        return _figures(ns / MILLISECOND, "ms")
    if round(ns / SECOND, 1) < 60:
        seconds = ns / SECOND
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    return clock(ns)


def clock(ns: int) -> str:
    """`1:04`, `2:03:04`, `3 d 4 h`, from a minute on."""
    minutes, seconds = divmod(round(ns / SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _figures(amount: float, unit: str) -> str:
    return f"{amount:.1f} {unit}".replace(".0 ", " ") if amount < 9.95 else f"{amount:.0f} {unit}"


def ago(ns: int, now_ns: int) -> str:
    """`5 s ago`, `2 min ago`, `3 h ago`, `yesterday`, then the local date and time."""
    past = now_ns - ns
    if past < -MINUTE:
        return local(ns, now_ns)
    if past < MINUTE:
        return f"{max(past, 0) // SECOND} s ago"
    if past < HOUR:
        return f"{past // MINUTE} min ago"
    if past < 12 * HOUR:
        return f"{past // HOUR} h ago"
    if _date(ns) == _date(now_ns - DAY):
        return "yesterday"
    return local(ns, now_ns)


def local(ns: int, now_ns: int) -> str:
    """`18 Nov 14:02`, with the year where it is not this one; in the local time zone."""
    try:
        when, today = time.localtime(ns // SECOND), time.localtime(now_ns // SECOND)
    except (OverflowError, ValueError, OSError):  # a clock that says the year 300,000
        return f"{ns} ns"
    form = "%d %b %H:%M" if when.tm_year == today.tm_year else "%d %b %Y %H:%M"
    return time.strftime(form, when).removeprefix("0")


def moment(ns: int, now_ns: int) -> str:
    """`14:02:03.123` today, else as `local` says it."""
    if _date(ns) != _date(now_ns):
        return local(ns, now_ns)
    return (
        f"{time.strftime('%H:%M:%S', time.localtime(ns // SECOND))}.{ns % SECOND // MILLISECOND:03}"
    )


def _date(ns: int) -> tuple[int, int]:
    try:
        when = time.localtime(ns // SECOND)
    except (OverflowError, ValueError, OSError):
        return (0, 0)
    return when.tm_year, when.tm_yday


def iso(ns: int | None) -> str | None:
    """ISO 8601 in UTC with all nine digits, None where there is no time."""
    if ns is None:
        return None
    try:
        when = time.gmtime(ns // SECOND)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{when.tm_year:04}-{time.strftime('%m-%dT%H:%M:%S', when)}.{ns % SECOND:09}Z"


def length(text: str) -> int:
    """`500ms`, `30s`, `5m`, `2h`, `3d` in nanoseconds. Raises ValueError for anything else."""
    match = re.fullmatch(_LENGTH, text.strip())
    if not match:
        raise ValueError(text)
    return int(min(float(match[1]) * _UNITS[match[2]], _LAST_NS))


def since(text: str, now_ns: int) -> int:
    """`30m`, `2h`, `3d` before now, or an ISO date or time (local where it names no zone).

    Raises ValueError for anything else.
    """
    try:
        return now_ns - length(text)
    except ValueError:
        seconds, fraction_ns = _parted(text.strip())
        named_ns = int(datetime.fromisoformat(seconds).timestamp()) * SECOND + fraction_ns
        return min(max(named_ns, -_LAST_NS), _LAST_NS)


def _parted(text: str) -> tuple[str, int]:
    """A time without the fraction of its second, of which `datetime` keeps six digits of the nine
    that `iso` gives; and that fraction."""
    found = re.fullmatch(_FRACTION, text)
    if not found:
        return text, 0
    return found[1] + found[3], int(f"{found[2]:0<9.9}")
