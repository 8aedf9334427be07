"""What is in flujo's workflow states, as JSON and back. Word for word, secrets too: a run goes on
from them.

A state is saved after every step, so what is plain JSON already is written by json's own encoder,
in a tenth of the time that a walk in Python takes.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from typing import Any, Final

from flujo_otel.interruption import passes
from flujo_otel.storage import tagged
from flujo_otel.storage.bound import DATA, FEW_NODES, MOST_NODES, Bound, unfolded, unfolds
from flujo_otel.storage.flujo_version import speaks_06
from flujo_otel.storage.plain import json_of, to_plain
from flujo_otel.storage.tagged import KIND, Tag, is_json_number, lost, tag, untag

_ODD_KEYS: Final = ('"null": ', '"true": ', '"false": ')
"""How json writes keys that are None, True or False: flujo writes them otherwise."""


def encode(value: Any) -> str:
    """As JSON, with tags where it has no word (`tagged`). Never raises for what `value` is."""
    flat = _flat(value)
    if flat is not None:
        return flat
    writing = _Writing()
    try:
        text = writing.text(value)
        text.encode()
    except BaseException as error:  # no word for it, or of a class that is not ours
        if passes(error):
            raise
        # Too deep for json is lost in any case.
        return _walked(value, FEW_NODES if isinstance(error, RecursionError) else writing.most)
    is_odd = any(key in text for key in _ODD_KEYS) or f'"{KIND}"' in text
    return _walked(value, writing.most) if is_odd else text


def decode(text: str | None) -> Any:
    """What `encode`, or flujo, wrote; what cannot come back is None. Complex numbers that flujo 0.6
    wrote are such again there."""
    if not text:
        return None
    if f'"{KIND}"' in text or ('"imag"' in text and speaks_06()):
        return json.loads(text, object_hook=_restored)
    return json.loads(text)


def _flat(value: Any) -> str | None:
    """A plain value, or an object of such and of parts that hold such alone, as most are: there is
    nothing to count, and the encoder is there already. None: it is another, or JSON has no word for
    something in it."""
    try:
        kind = type(value)
        if kind is dict:
            if KIND in value or not _TEXT.issuperset(map(type, value)):
                return None
            if not all(map(_is_flat, value.values())):
                return None
        elif kind not in _PLAIN:
            return None
        return json_of(value)
    except (ValueError, RuntimeError):  # RuntimeError: another thread adds to it
        return None


def _is_flat(part: Any) -> bool:
    kind = type(part)
    if kind is dict:
        is_object = KIND not in part and _TEXT.issuperset(map(type, part))
        return is_object and _PLAIN.issuperset(map(type, part.values()))
    return kind in _PLAIN or (kind is list and _PLAIN.issuperset(map(type, part)))


_TEXT: Final = frozenset({str})
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class _Writing:
    """One value in json's own encoder, which nothing stops: it is counted before it is written.

    `most`: of its values are worth reading by other means.
    """

    __slots__ = ("_nodes", "_objects", "_opened", "most")

    def __init__(self) -> None:
        self.most = FEW_NODES
        self._nodes = self._opened = 0
        self._objects: set[int] | None = None

    def text(self, value: Any) -> str:
        """Raises what the encoder does, and ValueError for what it had better not begin with."""
        self._count(value)
        encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=self._open)
        return encoder.encode(value)

    def _open(self, value: Any) -> Any:
        plain = _plain(value)
        if isinstance(plain, DATA) and not isinstance(plain, Tag):
            self._count(plain)
            self._opened += 1
            self._objects = self._objects or set()
            self._objects.add(id(value))
            if unfolds(self._nodes, self._opened, len(self._objects)):
                self.most = FEW_NODES
                raise ValueError(f"{type(value).__name__} unfolds to too many values")
        return plain

    def _count(self, value: Any) -> None:
        self.most = FEW_NODES  # if this raises
        self._nodes += unfolded(value)
        self.most = MOST_NODES + self._nodes


def _walked(value: Any, most_nodes: int) -> str:
    return json_of(_walk(value, Bound(most_nodes)))


def _plain(value: Any) -> Any:
    """One level of it: by what the program registered with its flujo, which is loaded where it has
    one; else tagged, or as `plain` words it."""
    flujo = sys.modules.get("flujo.utils.serialization")
    lookup = getattr(flujo, "lookup_custom_serializer", None)
    registered = lookup(value) if lookup is not None else None
    if registered is not None:
        return registered(value)
    try:
        return _opened(value)
    except BaseException as error:  # of a class that is not ours
        if passes(error):
            raise
        return lost(f"<{type(value).__name__}: {type(error).__name__}>")


def _opened(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    marked = _stars(value) or tag(value)
    if marked is not None:
        return marked
    for kinds, open_one in _CONTAINERS:
        if isinstance(value, kinds):
            return open_one(value)
    if not isinstance(value, type) and hasattr(type(value), "__dataclass_fields__"):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if not isinstance(value, type) and hasattr(type(value), "model_dump"):
        return value.model_dump()
    word = to_plain(value)
    is_stand_in = type(word) is str and word.startswith("<") and not callable(value)
    return lost(word) if is_stand_in else word


def _stars(value: Any) -> str | None:
    """What a secret of pydantic's shows of itself: flujo's own backend keeps no more of it either.
    None: `value` is no secret."""
    return str(value) if hasattr(type(value), "get_secret_value") else None


def _walk(value: Any, bound: Bound) -> Any:
    """What the encoder makes of `value`, where it cannot: numbers beyond JSON's, odd keys, values
    that contain themselves, objects that look like tags."""
    if isinstance(value, _WORDS):
        return to_plain(value)
    if isinstance(value, (int, float)) and not isinstance(value, Enum):
        return to_plain(value) if is_json_number(value) else tag(value)
    is_data = isinstance(value, DATA)
    plain = value if is_data else _plain(value)
    if isinstance(plain, Tag):
        return plain
    words = bound.open(value, len(value) if is_data else 1)
    if words:
        return lost(words)
    try:
        return _parts(value, bound) if is_data else _walk(plain, bound)
    except BaseException as error:  # of a class that is not ours
        if passes(error):
            raise
        return lost(f"<{type(value).__name__}: {type(error).__name__}>")
    finally:
        bound.close(value)


def _parts(value: Any, bound: Bound) -> Any:
    if not isinstance(value, dict):
        return [_walk(member, bound) for member in value]
    found = {}
    for key, member in value.items():
        if type(key) is not str or key == KIND:
            return tagged.pairs([(_key(k, bound), _walk(v, bound)) for k, v in value.items()])
        found[key] = _walk(member, bound)
    return found


def _key(key: Any, bound: Bound) -> str | Tag:
    """Its text, as flujo has it; a tag where the key would not be told from others by that."""
    if type(key) is str:
        return key
    plain = _walk(key, bound)
    if isinstance(plain, str | Tag):
        return plain
    has_tags = isinstance(plain, DATA) and tagged.has_tags(json_of(plain))
    return lost(f"<{type(key).__name__} as a key>") if has_tags else str(plain)


_WORDS: Final = (str, bool, type(None))
_CONTAINERS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Mapping, dict),
    (Set, lambda value: sorted(value, key=str)),
    (memoryview, lambda value: tag(bytes(value))),
    (Sequence, list),
)


def _restored(found: dict[str, Any]) -> Any:
    if KIND in found:
        return untag(found)
    return _complex(found) if speaks_06() else found


def _complex(found: dict[str, Any]) -> Any:
    if found.keys() == {"real", "imag"}:
        try:
            return complex(found["real"], found["imag"])
        except (TypeError, ValueError, OverflowError):
            return found
    return found
