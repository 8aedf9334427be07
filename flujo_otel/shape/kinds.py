"""What a value of any kind is made of: one step nearer to JSON."""

import base64
import math
from codecs import utf_8_decode
from collections import UserString, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from itertools import islice
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final, NamedTuple
from uuid import UUID

from flujo_otel.redaction import MARGIN, redactor
from flujo_otel.shape.model import Model, model_of, read, shown
from flujo_otel.shape.own_repr import has_own_repr

_ARRAY_ITEM_LIMIT: Final = 10_000
_BYTES_LIMIT: Final = 64 * 1024
_SORTED_LIMIT: Final = 1000
_MOST_COMPARED: Final = 1000
_DATA: Final = (Mapping, str, UserString, tuple, list)
_STARS: Final = "***"
_BEGINNING: Final = 100
"""Characters of a text, after which a `repr` may end for want of room."""


class Pairs(NamedTuple):
    """An object: its members by name, to be read once; `size`: how many, as far as it says."""

    pairs: Iterable[tuple[Any, Any]]
    size: int


class Items(NamedTuple):
    """An array, to be read once; `size`: how many items, as far as it says."""

    items: Iterable[Any]
    size: int


@lru_cache(maxsize=1024)
def reader_of(kind: Any) -> Callable[[Any], Any]:
    """What brings a value of class `kind` one step nearer to JSON: to a scalar, Pairs or Items,
    whose members are as the value holds them. What it calls of the program's may raise anything."""
    for types, reader in _READERS:
        if issubclass(kind, types):
            may_hide = issubclass(kind, _DATA) and has_own_repr(kind)
            return partial(_unless_hidden, reader) if may_hide else reader
    return _reader_of_object(kind)


def _reader_of_object(kind: Any) -> Callable[[Any], Any]:
    model = model_of(kind)
    if model is not None:
        return partial(_fields if model.is_plain else _model, model)
    if is_dataclass(kind) and not has_own_repr(kind):
        return partial(_named, [field.name for field in fields(kind) if field.repr])
    if hasattr(kind, "tolist") and hasattr(kind, "shape"):
        return _array
    if issubclass(kind, Sequence) and not has_own_repr(kind):
        return _sequence
    if kind.__repr__ is object.__repr__:
        return attributes
    return repr


@lru_cache(maxsize=1024)
def shown_of(kind: Any) -> tuple[str, ...] | None:
    """The fields that a class of models shows as they are; None: it is no class of models, or its
    own code has a say in what it shows."""
    model = model_of(kind)
    return model.names if model is not None and model.is_plain else None


def _unless_hidden(reader: Callable[[Any], Any], value: Any) -> Any:
    """Data of a class with a `repr` of its own: as that where it keeps a text of it back, as a dict
    of credentials does. To hide it or to be brief, nobody knows. Large data hide nothing."""
    if len(value) <= _MOST_COMPARED:
        said = repr(value)
        if _STARS in said or not all(repr(text)[1:-1] in said for text in _texts_of(value)):
            return said
    return reader(value)


def _texts_of(value: Any) -> list[str]:
    """The texts in `value`, but for names and what is deeper; of a text its beginning."""
    if isinstance(value, str | UserString):
        return [str.__str__(value[:_BEGINNING]) if isinstance(value, str) else str(value)]
    values = value.values() if isinstance(value, Mapping) else value
    return [str.__str__(each) for each in values if isinstance(each, str)]


def _fields(model: Model, value: Any) -> Pairs:
    return _mapping(shown(value, model.names))


def _model(model: Model, value: Any) -> Any:
    found = read(model, value)
    return _mapping(found) if isinstance(found, dict) else found


def _named(names: list[str], value: Any) -> "Pairs":
    return Pairs(((name, getattr(value, name)) for name in names), len(names))


def attributes(value: Any) -> Any:
    """An object without a `repr` of its own: its attributes, if it has any."""
    return _mapping(vars(value)) if getattr(value, "__dict__", None) else repr(value)


def _array(value: Any) -> Any:
    """numpy's and its kin: small ones in full, large ones by shape."""
    shape = tuple(getattr(value, "shape", ()))
    if math.prod(shape) <= _ARRAY_ITEM_LIMIT and (shape or not _has_length(value)):
        return value.tolist()
    facts = {"shape": list(shape), "dtype": str(getattr(value, "dtype", ""))}
    return Pairs(facts.items(), len(facts))


def _has_length(value: Any) -> bool:
    try:
        len(value)
    except TypeError:  # of no dimension, though its class has `__len__`
        return False
    return True


def _mapping(value: Mapping[Any, Any]) -> Pairs:
    return Pairs(value.items(), len(value))


def _sequence(value: Sequence[Any]) -> Items:
    return Items(value, len(value))


def _tuple(value: tuple[Any, ...]) -> Pairs | Items:
    names = getattr(value, "_fields", None)
    if names is None:
        return Items(value, len(value))
    return Pairs(zip(names, value, strict=False), len(value))


def _set(value: Set[Any]) -> Items:
    # Sorted where that is cheap and possible: a set's own order changes with every process. Its
    # length may lie.
    first = list(islice(value, _SORTED_LIMIT + 1))
    if len(first) > _SORTED_LIMIT:
        return Items(value, len(value))
    try:
        return Items(sorted(first), len(first))
    except TypeError:
        return Items(first, len(first))


def _bytes(value: bytes | bytearray | memoryview) -> str:
    """Text, or base64 of what is none; without the secrets in it that can be read."""
    start = bytes(value[:_BYTES_LIMIT])
    rest = len(value) - len(start)
    tail = f"… over {rest} bytes cut" if rest else ""
    try:
        text, _ = utf_8_decode(start, "strict", not rest)  # it may cut a character in two
        is_text = True
    except UnicodeDecodeError:
        text, is_text = start.decode("utf-8", "surrogateescape"), False
    if rest or not is_text:
        text = redactor().text(text)
    if rest:  # what this cut goes through is not known for a secret any more
        text = text[:-MARGIN]
    if is_text:
        return text + tail
    encoded = base64.b64encode(text.encode("utf-8", "surrogateescape"))
    return f"base64:{encoded.decode()}{tail}"


def _exception(value: BaseException) -> Pairs:
    return Pairs((("type", type(value).__qualname__), ("message", str(value))), 2)


_READERS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (dict, _mapping),
    ((type, FunctionType, MethodType, BuiltinFunctionType), lambda value: value.__qualname__),
    (Enum, lambda value: value.value),
    (str, str.__str__),
    (UserString, str),
    (Mapping, _mapping),
    (tuple, _tuple),
    ((list, deque), _sequence),
    (Set, _set),
    ((bytes, bytearray, memoryview), _bytes),
    (int, int.__int__),
    (float, float.__float__),
    ((date, time), lambda value: value.isoformat()),
    ((UUID, Decimal, PurePath, timedelta), str),
    (BaseException, _exception),
)


def name_of(value: object) -> str:
    """What its class is called, with the classes and functions around that."""
    return type(value).__qualname__
