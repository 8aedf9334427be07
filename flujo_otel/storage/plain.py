"""Python values as what JSON can say, so that any input, output or context can be kept.

As flujo words them, but for numbers that are not finite, which are "NaN", "Infinity" and
"-Infinity" as everywhere in our store (docs/storage.md).
"""

import dataclasses
import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from flujo_otel.interruption import passes
from flujo_otel.storage.bound import Bound
from flujo_otel.wire.values import json_encoder
from flujo_otel.words import words_of_non_finite

_SAID_BY_TEXT: Final = (UUID, Decimal, PurePath, timedelta)
"""Kinds of which a key becomes its text: flujo words all such keys alike, and loses entries so."""
_Reader = Callable[[Any, Bound], Any]

MOST_BITS: Final = 14_000
"""The interpreter refuses to write or read more than 4,300 decimal digits: such are hexadecimal."""


_encode: Final = json_encoder(", ", ": ")


def to_json(value: Any) -> str:
    """`value` as strict JSON. Never raises for what it is."""
    return json_of(to_plain(value))


def json_of(plain: Any) -> str:
    """The same of what is plain already."""
    text = _encode(plain)
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


def to_plain(value: Any, bound: Bound | None = None) -> Any:
    """None, bool, int, float, str, list and dict alone. Never raises for what `value` is. `bound`:
    of the value that it is a part of."""
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if value.bit_length() <= MOST_BITS else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else words_of_non_finite(value)
    try:
        return _convert(value, bound or Bound())
    except BaseException as error:  # a property or __str__ of somebody else's class
        if passes(error):
            raise
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _convert(value: Any, bound: Bound) -> Any:
    read = _DATA.get(type(value))
    if read is not None:
        return _read(value, len(value), read, bound)
    if isinstance(value, Enum):
        return to_plain(value.value, bound)
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    for kinds, read in _CONTAINERS:
        if isinstance(value, kinds):
            return _read(value, len(value), read, bound)
    return _convert_object(value, bound)


def _convert_object(value: Any, bound: Bound) -> Any:
    if not isinstance(value, type):
        if dataclasses.is_dataclass(value):
            return _read(value, 1, _fields, bound)
        # On its class: a mock's instances have whatever they are asked for.
        if hasattr(type(value), "model_dump"):
            return _read(value, 1, _dump, bound)
    if callable(value):
        return getattr(value, "__name__", None) or repr(value)
    return f"<unserializable: {type(value).__name__}>"


def _read(value: Any, size: int, read: _Reader, bound: Bound) -> Any:
    words = bound.open(value, size)
    if words:
        return words
    try:
        return read(value, bound)
    finally:
        bound.close(value)


def _mapping(value: Mapping[Any, Any], bound: Bound) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, member in value.items():
        name = plain = _key(key, bound)
        while name in found:  # two of a kind that has no words of its own, or 1 beside "1"
            name = f"{plain} {len(found) + 1}"
        found[name] = to_plain(member, bound)
    return found


def _members(value: Set[Any], bound: Bound) -> list[Any]:
    return [to_plain(item, bound) for item in sorted(value, key=str)]


def _items(value: Sequence[Any], bound: Bound) -> list[Any]:
    return [to_plain(item, bound) for item in value]


def _fields(value: Any, bound: Bound) -> dict[str, Any]:
    names = [member.name for member in dataclasses.fields(value)]
    return {name: to_plain(getattr(value, name), bound) for name in names}


def _dump(value: Any, bound: Bound) -> Any:
    return to_plain(value.model_dump(), bound)


def _key(key: Any, bound: Bound) -> str:
    if type(key) is str:
        return key
    return str(key) if isinstance(key, _SAID_BY_TEXT) else str(to_plain(key, bound))


# In this order: bytes are a sequence too.
_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, lambda value: to_plain(int(value))),
    (datetime | date | time, lambda value: value.isoformat()),
    (bytes | bytearray | memoryview, lambda value: b64encode(bytes(value)).decode("ascii")),
    (complex, lambda value: {"real": to_plain(value.real), "imag": to_plain(value.imag)}),
)
_CONTAINERS: Final[tuple[tuple[Any, _Reader], ...]] = (
    (Mapping, _mapping),
    (Set, _members),
    (Sequence, _items),
)
_DATA: Final[dict[type, _Reader]] = {dict: _mapping, list: _items, tuple: _items}
