"""Values as they are at the moment they are handed in, as JSON will say them.

A copy: what the program does to a list or an object afterwards is not part of what went in. It
costs what writing the value as JSON costs, and looks no further into an object than JSON could say.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from typing import Any, Final

from flujo_otel.storage.plain import MAX_DEPTH, to_plain
from flujo_otel.wire.values import clean_text

MOST_NODES: Final = 1_000_000
"""Of one value: lists that hold one another can unfold to more than any memory."""
_MOST_ARRAY_ITEMS: Final = 10_000
_MOST_BITS: Final = 4096
"""The interpreter refuses to write more than 4,300 decimal digits."""
_SMALLEST: Final = -(1 << 63)
_LARGEST: Final = (1 << 63) - 1
_AS_IT_IS: Final = frozenset({bool, type(None)})


def snapshot(value: Any) -> Any:
    """`value` as None, bool, int, float, str, list and dict with text keys. Never raises."""
    kind = type(value)
    if kind in _AS_IT_IS or (kind is str and value.isascii()):
        return value
    if kind is dict and (flat := _flat(value)) is not None:
        return flat
    return _Copy().of(value, 0)


def _flat(value: dict[Any, Any]) -> dict[str, Any] | None:
    """A copy of an object of plain members, as most are; None where it holds anything else."""
    try:
        for key, member in value.items():
            kind = type(member)
            if type(key) is not str or not key.isascii():
                return None
            if kind is str:
                if not member.isascii():
                    return None
            elif kind is int:
                if not _SMALLEST <= member <= _LARGEST:
                    return None
            elif kind not in _AS_IT_IS:
                return None
        return value.copy()
    except RuntimeError:  # another thread adds to it
        return None


def snapshot_object(value: Any) -> dict[str, Any]:
    """The same as a JSON object; what is none is its member `value`."""
    copy = snapshot(value)
    return copy if type(copy) is dict else {"value": copy}


class _Copy:
    """One value being copied."""

    __slots__ = ("_left", "_open")

    def __init__(self) -> None:
        self._left = MOST_NODES
        self._open: set[int] = set()

    def of(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return value if value.isascii() else clean_text(value)
        if kind in _AS_IT_IS:
            return value
        try:
            if kind is int:
                return value if value.bit_length() <= _MOST_BITS else hex(value)
            if kind is float:
                return value if math.isfinite(value) else to_plain(value)
            return self._other(value, kind, depth)
        except Exception as error:  # of a class that is not ours
            return f"<{kind.__name__}: {type(error).__name__}>"

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        if kind is dict or isinstance(value, Mapping):
            return self._container(value, depth, self._mapping)
        if isinstance(value, Enum):
            return self.of(value.value, depth)
        if isinstance(value, str | int | float | bytes | bytearray | memoryview):
            return self._scalar(value)
        if isinstance(value, Set):
            return self._container(sorted(value, key=str), depth, self._items)
        if isinstance(value, Sequence):
            return self._container(value, depth, self._items)
        return self._object(value, depth)

    def _scalar(self, value: Any) -> Any:
        plain = to_plain(value)
        return self.of(plain, 0) if isinstance(plain, str | int) else plain

    def _object(self, value: Any, depth: int) -> Any:
        if isinstance(value, type):
            return to_plain(value)
        if dataclasses.is_dataclass(value):
            names = [member.name for member in dataclasses.fields(value) if member.repr]
            fields = {name: getattr(value, name) for name in names}
            return self._container(value, depth, lambda _, below: self._mapping(fields, below))
        if hasattr(value, "model_dump"):
            return self.of(value.model_dump(), depth + 1)
        if hasattr(value, "tolist"):  # numpy's scalars and arrays
            return self._array(value, depth)
        plain = to_plain(value)
        return clean_text(plain) if isinstance(plain, str) else plain

    def _array(self, value: Any, depth: int) -> Any:
        shape = tuple(getattr(value, "shape", ()))
        if math.prod(shape) <= _MOST_ARRAY_ITEMS:
            return self.of(value.tolist(), depth + 1)
        return {"shape": list(shape), "dtype": str(getattr(value, "dtype", ""))}

    def _container(self, value: Any, depth: int, copy: Any) -> Any:
        name = type(value).__name__
        if depth >= MAX_DEPTH:
            return f"<{name} below depth {MAX_DEPTH}>"
        if id(value) in self._open:
            return f"<{name} that contains itself>"
        self._left -= len(value) if hasattr(value, "__len__") else 1
        if self._left < 0:
            return f"<{name}: more than {MOST_NODES} values>"
        self._open.add(id(value))
        try:
            return copy(value, depth + 1)
        finally:
            self._open.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        of = self.of
        return {_key(key): of(member, depth) for key, member in value.items()}

    def _items(self, value: Iterable[Any], depth: int) -> list[Any]:
        of = self.of
        return [of(item, depth) for item in value]


def _key(key: Any) -> str:
    if type(key) is str:
        return key if key.isascii() else clean_text(key)
    return clean_text(str(to_plain(key)))
