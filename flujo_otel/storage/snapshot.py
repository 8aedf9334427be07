"""Values as they are at the moment they are handed in, as JSON will say them.

A copy: what the program does to a list or an object afterwards is not part of what went in. It
costs what writing the value as JSON costs. Of an object whose attributes are all there is to say it
tells the class alone: it may hold half of the program.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

from flujo_otel.interruption import passes
from flujo_otel.redaction import redactor
from flujo_otel.shape import Items, Pairs, TimeLimit, attributes, reader_of
from flujo_otel.storage.bound import MAX_DEPTH, MOST_NODES
from flujo_otel.storage.plain import to_plain
from flujo_otel.wire.values import clean_text

MOST_CHARACTERS: Final = 4 << 20
"""Of one value's texts: what is more is cut."""
_MOST_SECONDS: Final = 2.0
"""500,000 plain values take 0.5 s; what takes longer is code of the program's."""
_OBJECT_NODES: Final = 10
"""What an object counts for: its class's own code is called, which takes so much longer."""
_MOST_BITS: Final = 4096
"""The interpreter refuses to write more than 4,300 decimal digits."""
_MOST_HEX_BITS: Final = 1 << 16
_SMALLEST: Final = -(1 << 63)
_LARGEST: Final = (1 << 63) - 1
_CUT: Final = "… more is cut"
_AS_IT_IS: Final = frozenset({bool, type(None)})


def snapshot(value: Any) -> Any:
    """A copy of `value` made of None, bool, int, finite float, str, list and dict with text keys.

    Bounded in values, characters and seconds: a text says where it was cut, and stands in for what
    cannot be copied. Raises nothing but what a signal's handler raises meanwhile.
    """
    kind = type(value)
    if kind in _AS_IT_IS or _is_kept(kind, value):
        return value
    if kind is dict and (flat := _flat(value)) is not None:
        return flat
    return _Copy().of(value, 0)


def snapshot_object(value: Any) -> dict[str, Any]:
    """A `snapshot` that is a dict: of what is no mapping, with the one member `value`."""
    copy = snapshot(value)
    return copy if type(copy) is dict else {"value": copy}


def snapshot_text(value: Any) -> str:
    """A `snapshot` that is a text: of an object its `str()`, of data the `str()` of the copy."""
    kind = type(value)
    if _is_kept(kind, value):
        return str(value)
    copy = _Copy()
    try:
        if isinstance(value, str | int | float | bytes | Mapping | Set | Sequence):
            return str(copy.of(value, 0))
        return str(copy.of(str(value), 0))
    except BaseException as error:  # of a class that is not ours
        return _fault(kind, error)


def snapshot_name(value: Any) -> str:
    """A `snapshot_text` to name a trace or step by, without NUL, at which SQL ends a name."""
    return snapshot_text(value).replace("\0", "\\0")


def _is_kept(kind: type, value: Any) -> bool:
    """Whether it is a text that needs neither copy nor cut."""
    return kind is str and value.isascii() and len(value) <= MOST_CHARACTERS


def _flat(value: dict[Any, Any]) -> dict[str, Any] | None:
    """A copy of an object of plain members, as most are; None where it holds anything else."""
    size = 0
    try:
        for key, member in value.items():
            kind = type(member)
            if type(key) is not str or not key.isascii():
                return None
            size += len(key) + 1
            if kind is str:
                if not member.isascii():
                    return None
                size += len(member)
            elif kind is int:
                if not _SMALLEST <= member <= _LARGEST:
                    return None
            elif kind not in _AS_IT_IS:
                return None
        return value.copy() if size <= MOST_NODES else None
    except RuntimeError:  # another thread adds to it
        return None


class _Copy:
    """One value being copied. Its nodes and texts are counted as they are read: a length says
    nothing of how much there is to come."""

    __slots__ = ("_left", "_open", "_room", "_time")

    def __init__(self) -> None:
        self._time = TimeLimit(_MOST_SECONDS)
        self._left = MOST_NODES
        self._room = MOST_CHARACTERS
        self._open: set[int] = set()

    def of(self, value: Any, depth: int) -> Any:
        """The copy of `value`, which is inside `depth` containers."""
        self._left -= 1
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind in _AS_IT_IS:
            return value
        try:
            if kind is int:
                return self._integer(value)
            if kind is float:
                return value if math.isfinite(value) else to_plain(value)
            return self._other(value, kind, depth)
        except BaseException as error:  # of a class that is not ours
            return _fault(kind, error)

    def _text(self, text: str) -> str:
        if len(text) > self._room:
            return self._beginning(text)
        self._room -= len(text)
        return text if text.isascii() else clean_text(text)

    def _beginning(self, text: str) -> str:
        """Redacted: half of a secret would no longer be known for what it is."""
        room, self._room = self._room, 0
        words, left_out = redactor().beginning(text, room) if room else ("", len(text))
        left_out += max(len(words) - room, 0)
        return f"{clean_text(words[:room])}… {left_out} characters cut"

    def _integer(self, value: int) -> int | str:
        bits = value.bit_length()
        if bits > _MOST_HEX_BITS:
            return f"<int of {bits} bits>"
        self._room -= bits >> 6
        return value if bits <= _MOST_BITS else hex(value)

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return f"<{kind.__name__} below depth {MAX_DEPTH}>"
        if kind is dict:  # as most are: a third of the time
            return self._container(value, value.items(), len(value), depth, self._pairs)
        if kind is list:
            return self._container(value, value, len(value), depth, self._items)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(value)
        return self._shown(value, kind, depth)

    def _shown(self, value: Any, kind: type, depth: int) -> Any:
        """What it is by its class."""
        reader = reader_of(kind)
        if reader is attributes:
            return f"<unserializable: {kind.__name__}>"
        if not isinstance(value, str | int | float | Mapping | Set | Sequence):
            self._left -= _OBJECT_NODES
        plain = reader(value)
        if self._time.is_over:
            self._left = 0
        if type(plain) is Pairs:
            return self._container(value, *plain, depth, self._pairs)
        if type(plain) is Items:
            copy = self._members if isinstance(value, Set) else self._items
            return self._container(value, *plain, depth, copy)
        return self.of(plain, depth + 1)

    def _bytes(self, value: bytes | bytearray | memoryview) -> str:
        size_bytes = memoryview(value).nbytes
        if size_bytes * 4 // 3 > self._room:
            return f"<{type(value).__name__} of {size_bytes} bytes>"
        return self._text(str(to_plain(value)))

    def _container(self, owner: Any, parts: Iterable[Any], size: int, depth: int, copy: Any) -> Any:
        if id(owner) in self._open:
            return f"<{type(owner).__name__} that contains itself>"
        if size > self._left > 0:
            return f"<{type(owner).__name__}: more than {MOST_NODES} values>"
        self._open.add(id(owner))
        try:
            return copy(parts, depth + 1)
        finally:
            self._open.discard(id(owner))

    def _pairs(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, member in pairs:
            if self._left <= 0 or self._room <= 0:
                found["…"] = _CUT
                break
            name = key if type(key) is str else str(self.of(key, depth))
            found[self._text(name)] = self.of(member, depth)
        return found

    def _members(self, members: Iterable[Any], depth: int) -> list[Any]:
        return sorted(self._items(members, depth), key=str)

    def _items(self, items: Iterable[Any], depth: int) -> list[Any]:
        found: list[Any] = []
        for item in items:
            if self._left <= 0 or self._room <= 0:
                found.append(_CUT)
                break
            found.append(self.of(item, depth))
        return found


def _fault(kind: type, error: BaseException) -> str:
    """What stands for a value whose class's own code failed."""
    if passes(error):
        raise error
    return f"<{kind.__name__}: {type(error).__name__}>"
