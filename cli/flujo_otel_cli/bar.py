"""Bars that show when something ran: eighths of a cell, on one axis for the whole tree."""

from flujo_otel.query.timeline import Window
from flujo_otel_cli.theme import Theme
from flujo_otel_cli.times import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, duration

_TICK_COLUMNS = 9
_LABEL_GAP = 2
_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MILLISECOND, "ms"))


def bar(window: Window, start_ns: int, end_ns: int | None, width: int, theme: Theme) -> str:
    """A bar in `width` columns; `end_ns` None: still running, to the right edge and beyond.

    What lies outside the window is clamped to the edge, with an arrow the way it lies.
    """
    if end_ns is None:
        room = width - len(theme.ellipsis)
        start = min(max(window.fraction(start_ns), 0.0), 1.0)
        filled = _cells(start, 1.0, width, theme)[:room]
        return filled.ljust(room) + theme.ellipsis
    start, end = window.fraction(start_ns), window.fraction(max(start_ns, end_ns))
    if end < 0:
        return theme.before
    if start > 1:
        return " " * (width - 1) + theme.after
    return _cells(max(start, 0.0), min(end, 1.0), width, theme)


def gauge(share: float, width: int, theme: Theme) -> str:
    """`share` (0 to 1) of `width` columns, the rest dotted."""
    filled = _cells(0.0, share, width, theme) if share > 0 else ""
    return filled.ljust(width, theme.dot.strip())


def leaning(share: float, half: int, theme: Theme) -> str:
    """`share` (-1 to 1) of `half` columns: to the left of the middle, or to the right of it."""
    if share < 0:
        drawn = _cells(1 + share, 1.0, half, theme).rjust(half)
        return f"{drawn}{theme.side}"
    drawn = _cells(0.0, share, half, theme) if share > 0 else ""
    return f"{' ' * half}{theme.side}{drawn}"


def _cells(start: float, end: float, width: int, theme: Theme) -> str:
    """From `start` to `end` (0 to 1): a half cell at the left, eighths at the right, never none."""
    steps = len(theme.blocks)
    left = min(int(start * width * 2), width * 2 - 1)  # in half cells
    right = max(round(end * width * steps), left * steps // 2 + 1)  # in parts of a cell
    first, last = left // 2, min(right // steps, width)
    rest = right % steps if last < width else 0
    starts_late = left % 2 == 1 and steps > 1
    if last <= first:
        return " " * first + (theme.right_half if starts_late else theme.blocks[rest - 1])
    cells = (theme.right_half if starts_late else theme.blocks[-1]) + theme.blocks[-1] * (
        last - first - 1
    )
    return " " * first + cells + (theme.blocks[rest - 1] if rest else "")


def axis(window: Window, width: int, micro: str) -> str:
    """The window's scale: `0 s        1         2  2.41 s`, one label every few columns, and at the
    end how long it is."""
    length = window.length_ns
    if not length:
        return ""
    step = _step(length, max(width // _TICK_COLUMNS, 1))
    unit_ns, unit = _unit(length, micro)
    labels = [" "] * (width + 12)
    end = duration(length, micro)[:width]
    for index in range(length // step + 1):
        column = round(index * step / length * width)
        label = f"0 {unit}" if index == 0 else f"{index * step / unit_ns:g}"
        if column + len(label) + _LABEL_GAP <= width - len(end):
            labels[column : column + len(label)] = label
    labels[width - len(end) : width] = end
    return "".join(labels).rstrip()


def _step(length_ns: int, ticks: int) -> int:
    """The smallest round step of which no more than `ticks` fit: 1, 2 or 5 of some power of ten.

    From a minute on, 1, 2, 5, 10, 15, 30 of minutes, 1, 2, 6, 12 of hours, and then whole days.
    """
    for unit, multiples in ((MINUTE, (1, 2, 5, 10, 15, 30)), (HOUR, (1, 2, 6, 12))):
        for multiple in multiples:
            if length_ns >= 2 * MINUTE and length_ns / (unit * multiple) <= ticks:
                return unit * multiple
    step = 1 if length_ns < 2 * MINUTE else DAY
    while True:
        for multiple in (1, 2, 5):
            if length_ns / (step * multiple) <= ticks:
                return step * multiple
        step *= 10


def _unit(length_ns: int, micro: str) -> tuple[int, str]:
    for unit_ns, name in _UNITS:
        if length_ns >= unit_ns * (1 if unit_ns < MINUTE else 2):
            return unit_ns, name
    return (MICROSECOND, f"{micro}s") if length_ns >= MICROSECOND else (1, "ns")


def spark(counts: list[int], theme: Theme) -> str:
    """One glyph a count, as high as it is beside the highest; a count of none is blank."""
    highest = max(counts, default=0)
    if not highest:
        return ""
    top = len(theme.spark) - 1
    return "".join(theme.spark[-(-count * top // highest)] for count in counts)
