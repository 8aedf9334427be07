"""Python values as what JSON can say, so that any input, output or context can be kept.

As flujo words them, but for numbers that are not finite, which are "NaN", "Infinity" and
"-Infinity" as everywhere in our store (docs/storage.md).
"""

import dataclasses
import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Final

from flujo_otel.interruption import passes

MAX_DEPTH: Final = 50
"""Deeper values become their text; this also ends a value that contains itself."""

MOST_BITS: Final = 14_000
"""The interpreter refuses to write or read more than 4,300 decimal digits: such are hexadecimal."""


def to_json(value: Any) -> str:
    """`value` as strict JSON. Never raises for what it is."""
    return json_of(to_plain(value))


def json_of(plain: Any) -> str:
    """The same of what is plain already."""
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which SQLite's text cannot hold
        return json.dumps(plain, allow_nan=False)
    return text


def from_json(text: str | None) -> Any:
    """What was kept; text that is no JSON (a cut value, another producer's) as it is."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def to_plain(value: Any, depth: int = 0) -> Any:
    """None, bool, int, float, str, list and dict alone. Never raises for what `value` is."""
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if value.bit_length() <= MOST_BITS else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _non_finite(value)
    try:
        return _convert(value, depth)
    except BaseException as error:  # a property or __str__ of somebody else's class
        if passes(error):
            raise
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _convert(value: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return f"<{type(value).__name__} below depth {MAX_DEPTH}>"
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value, depth + 1)
    return _convert_object(value, depth + 1)


def _convert_object(value: Any, depth: int) -> Any:
    if not isinstance(value, type):
        if dataclasses.is_dataclass(value):
            names = [member.name for member in dataclasses.fields(value)]
            return {name: to_plain(getattr(value, name), depth) for name in names}
        # On its class: a mock's instances have whatever they are asked for.
        if hasattr(type(value), "model_dump"):
            return to_plain(value.model_dump(), depth)
    if callable(value):
        return getattr(value, "__name__", None) or repr(value)
    return f"<unserializable: {type(value).__name__}>"


def _key(key: Any, depth: int) -> str:
    return key if type(key) is str else str(to_plain(key, depth))


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


# In this order: an enum member may be a str or int as well, and bytes are a sequence too.
_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any, int], Any]], ...]] = (
    (Enum, lambda value, depth: to_plain(value.value, depth)),
    (str, lambda value, _: str.__str__(value)),
    (int, lambda value, _: to_plain(int(value))),
    (datetime | date | time, lambda value, _: value.isoformat()),
    (bytes | bytearray | memoryview, lambda value, _: b64encode(bytes(value)).decode("ascii")),
    (complex, lambda value, _: {"real": to_plain(value.real), "imag": to_plain(value.imag)}),
    (Mapping, lambda value, depth: {_key(k, depth): to_plain(v, depth) for k, v in value.items()}),
    (Set, lambda value, depth: [to_plain(item, depth) for item in sorted(value, key=str)]),
    (Sequence, lambda value, depth: [to_plain(item, depth) for item in value]),
)
