"""Values that JSON has no word for, in a state: tagged with what they are, so that they come back.

A step's output has no type by which its text could be read again, and neither flujo 0.4 nor 0.6
keeps one: 0.4 saves "<unserializable: timedelta>" and goes on with that text.
"""

import math
import pathlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from flujo_otel.storage.plain import MOST_BITS

KIND: Final = "__python__"
_VALUE: Final = "value"
_LOST: Final = "lost"
_OBJECT: Final = "dict"
_PYDANTIC: Final = ("pydantic", "pydantic_core")
_TAGGED: Final = f'{{"{KIND}": "'
_IS_LOST: Final = f'{_TAGGED}{_LOST}"'


class Tag(dict[str, Any]):
    """A value of another kind. Of this class, so that it is told from a program's own object with
    the same keys."""

    def __init__(self, kind: str, value: Any) -> None:
        super().__init__({KIND: kind, _VALUE: value})


def tag(value: Any) -> Tag | None:
    """`value` as JSON that `untag` knows; None where it is of no kind that has a tag."""
    for kinds, name, write in _WRITERS:
        if isinstance(value, kinds):
            made = Tag(name, write(value))
            comes_back = type(value) in _EXACT or _is_same(value, untag(made))
            return made if comes_back else lost(f"<{type(value).__name__}: unlike {name}>")
    kind = type(value)
    if _module(kind) in _PYDANTIC:
        return _tag_of_url(value, kind)
    return None


def lost(words: str) -> Tag:
    """In place of a value that cannot come back: `words` are for people, a program gets None."""
    return Tag(_LOST, words)


def pairs(found: list[tuple[str | Tag, Any]]) -> dict[str, Any]:
    """An object of these keys and values: tagged where it might be taken for a tag, or where a key
    is a tag; lost where a key cannot come back."""
    tags = [key for key, _ in found if isinstance(key, Tag)]
    for key in tags:
        if key[KIND] in (_LOST, _OBJECT):
            return lost(key[_VALUE] if key[KIND] == _LOST else "<dict as a key>")
    is_like_a_tag = any(key == KIND for key, _ in found)
    return Tag(_OBJECT, found) if tags or is_like_a_tag else dict(found)  # type: ignore[arg-type]


def untag(found: dict[str, Any]) -> Any:
    """The value of a tag; any other object as it is."""
    if found.keys() != {KIND, _VALUE}:
        return found
    try:
        name, value = found[KIND], found[_VALUE]
        if name in _READERS:
            return _READERS[name](value)
        return _url(name, value)
    except Exception:  # of a class that this pydantic has not
        return found


def has_tags(text: str) -> bool:
    """Whether some value in a state's JSON is tagged."""
    return _TAGGED in text


def has_lost(text: str) -> bool:
    """Whether some value in a state's JSON cannot come back."""
    return _IS_LOST in text


def first_lost(text: str) -> str:
    """The words, for people, in place of the first value in a state's JSON that cannot come back;
    "" where there is none."""
    found = re.search(_IS_LOST + r', "value": "([^"]*)"', text)
    return found[1] if found else ""


def _is_same(value: Any, found: Any) -> bool:
    """Whether a value of a program's own kind is `found` again, which is of a kind of Python's."""
    return bool(value == found) or (isinstance(found, float) and math.isnan(found))


def _tag_of_url(value: Any, kind: type) -> Tag | None:
    is_url = kind.__name__.endswith(("Url", "Dsn"))
    return Tag(f"{_module(kind)}.{kind.__name__}", str(value)) if is_url else None


def _module(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _url(name: str, value: str) -> Any:
    """Raises where there is no such class, or it is none of those that are tagged."""
    module, _, kind = name.partition(".")
    if module not in _PYDANTIC or not kind.endswith(("Url", "Dsn")):
        raise ValueError(name)
    return getattr(import_module(module), kind)(value)


def _base64(value: Any) -> str:
    return b64encode(bytes(value)).decode("ascii")


# In this order: a Path is a PurePath. Each as Python's own kind writes it: a program's may hide it.
_WRITERS: Final[tuple[tuple[Any, str, Callable[[Any], Any]], ...]] = (
    (timedelta, "timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    (Decimal, "Decimal", Decimal.__str__),
    (UUID, "UUID", UUID.__str__),
    (pathlib.Path, "Path", pathlib.PurePath.__str__),
    (pathlib.PurePosixPath, "PurePosixPath", pathlib.PurePath.__str__),
    (pathlib.PureWindowsPath, "PureWindowsPath", pathlib.PurePath.__str__),
    (bytes, "bytes", _base64),
    (bytearray, "bytearray", _base64),
    (complex, "complex", complex.__repr__),
    (int, "int", hex),
    (float, "float", float.__repr__),
)
_EXACT: Final = frozenset({kind for kind, _, _ in _WRITERS} | {type(pathlib.Path())})
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    _LOST: lambda _: None,
    _OBJECT: dict,
    "timedelta": lambda parts: timedelta(*parts),
    "Decimal": Decimal,
    "UUID": UUID,
    "Path": pathlib.Path,
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
    "bytes": b64decode,
    "bytearray": lambda text: bytearray(b64decode(text)),
    "complex": complex,
    "int": lambda text: int(text, 16),
    "float": float,
}


def is_json_number(value: int | float) -> bool:
    """Whether JSON can say it: no tag is needed."""
    if isinstance(value, int):
        return value.bit_length() <= MOST_BITS
    return math.isfinite(value)
