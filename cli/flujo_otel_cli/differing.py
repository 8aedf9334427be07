"""Where two texts differ: of each the part around it, or the lines that are not in the other."""

from collections.abc import Iterator
from difflib import unified_diff

from flujo_otel_cli.content import whole

_BEFORE = 24
"""Characters of what is the same that stand before the first that is not."""
_LONGEST = 500
"""Characters of one line."""
_LINES_READ = 500
"""Of either text: to find out how lines are alike takes the square of their number."""
_LINES_SHOWN = 12
_READ = 1_000_000


def differing(base: str, other: str) -> Iterator[tuple[str, str]]:
    """Lines behind `-`, `+` or a blank, the first of many and how many more there are."""
    if len(base) + len(other) <= _READ:  # JSON in its lines
        base, other = whole(base), whole(other)
    was, now = base.splitlines(), other.splitlines()
    if len(was) <= 1 and len(now) <= 1:
        yield from zip("-+", _around(base, other), strict=True)
        return
    found = list(unified_diff(was[:_LINES_READ], now[:_LINES_READ], n=1, lineterm=""))[2:]
    lines = [(line[0], line[1:]) for line in found if not line.startswith("@@")]
    yield from ((sign, text[:_LONGEST]) for sign, text in lines[:_LINES_SHOWN])
    is_cut = max(len(was), len(now)) > _LINES_READ
    more = len(lines) - _LINES_SHOWN
    if more > 0 or is_cut:
        yield " ", f"and {f'{more:,} more lines' if more > 0 else 'perhaps more'}"


def _around(base: str, other: str) -> tuple[str, str]:
    same = next(
        (at for at, (a, b) in enumerate(zip(base, other, strict=False)) if a != b),
        min(len(base), len(other)),
    )
    start = max(same - _BEFORE, 0)
    mark = "..." if start else ""
    was, now = (f"{mark}{text[start : start + _LONGEST]}" for text in (base, other))
    return was, now
