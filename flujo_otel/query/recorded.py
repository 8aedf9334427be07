"""JSON that a program recorded, as a value that strict JSON can say again."""

import re
from collections.abc import Iterable
from json import JSONDecoder
from math import isfinite
from typing import Any, Final

_DEEPEST: Final = 64
"""Levels of JSON that are read: recursion over more could end in a RecursionError."""
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Of a character, of half of one alone, and of anything else."""


def value_of(text: str, most_levels: int = _DEEPEST) -> Any:
    r"""What `text` says. What JSON has no word for becomes text: NaN, the infinities, numbers too
    large for a float; half a surrogate pair becomes its escape, `\ud800`.

    Raises ValueError for what is no JSON, or is nested deeper than `most_levels`.
    """
    if _SURROGATE.search(text):
        text = _ESCAPE.sub(_spelled, text)
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("Nested too deep to be read.") from None
    if is_too_deep(found, most_levels):
        raise ValueError(f"Nested deeper than {most_levels} levels.")
    return found


def _spelled(escape: re.Match[str]) -> str:
    return rf"\\{escape[1]}" if escape[1] else escape[0]


def _number(text: str) -> float | str:
    number = float(text)
    return number if isfinite(number) else text


_DECODER: Final = JSONDecoder(parse_constant=str, parse_float=_number)


def is_too_deep(value: Any, most_levels: int = _DEEPEST) -> bool:
    """Whether recursion over it is no safe thing."""
    level = [value]
    for _ in range(most_levels):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()
