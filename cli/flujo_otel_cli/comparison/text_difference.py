"""Where two texts differ: of each the part around it, or the lines that are not in the other."""

from collections.abc import Iterator
from difflib import unified_diff

from flujo_otel_cli.content import whole
from flujo_otel_cli.text import cut_before

_BEFORE = 24
"""Columns of what is the same that stand before the first that is not; a third of a narrow room."""
_LONGEST = 500
"""Characters of one line."""
_LINES_READ = 500
"""Of either text: to find out how lines are alike takes the square of their number."""
_LINES_SHOWN = 12
_READ = 1_000_000


def difference_lines(base: str, other: str, room: int) -> Iterator[tuple[str, str]]:
    """Lines behind `-`, `+` or a blank, the first of many and how many more there are; of a single
    line what is seen in `room` columns."""
    if len(base) + len(other) <= _READ:  # JSON in its lines
        base, other = whole(base), whole(other)
    was, now = base.splitlines(), other.splitlines()
    if len(was) <= 1 and len(now) <= 1:
        yield from zip("-+", _around(base, other, min(_BEFORE, room // 3)), strict=True)
        return
    found = list(unified_diff(was[:_LINES_READ], now[:_LINES_READ], n=1, lineterm=""))[2:]
    lines = [(line[0], line[1:]) for line in found if not line.startswith("@@")]
    yield from ((sign, text[:_LONGEST]) for sign, text in lines[:_LINES_SHOWN])
    is_cut = max(len(was), len(now)) > _LINES_READ
    more = len(lines) - _LINES_SHOWN
    if more > 0 or is_cut:
        yield " ", f"and {f'{more:,} more lines' if more > 0 else 'perhaps more'}"


def _around(base: str, other: str, before: int) -> tuple[str, str]:
    same = next(
        (at for at, (a, b) in enumerate(zip(base, other, strict=False)) if a != b),
        min(len(base), len(other)),
    )
    front = cut_before(base[max(same - _LONGEST, 0) : same], before, "...")
    was, now = (f"{front}{text[same : same + _LONGEST]}" for text in (base, other))
    return was, now
