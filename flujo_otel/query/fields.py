"""The fields of a piece of JSON that many programs spell in many ways, and which of them were read.

What nobody took is left over by construction, so that a reader of messages loses nothing.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flujo_otel.query.recorded import value_of

_HUMP: Final = re.compile("(?<=[a-z0-9])[A-Z]")


class Fields:
    """By names in snake_case: `mime_type` is also `mimeType`, `mime-type`."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found: Final = found
        self._keys: dict[str, list[str]] = {}
        for key in found:
            self._keys.setdefault(snake(key), []).append(key)
        self._read: set[str] = set()

    def take(self, *names: str) -> Any:
        """The first of them that says something, else the first that is there, else None. It is
        read, and so are those that say the same."""
        keys = [key for name in names for key in self._keys.get(name, ())]
        there = [key for key in keys if self._found[key] is not None]
        saying = [key for key in there if not is_nothing(self._found[key])]
        if not there:
            return None
        value = self._found[(saying or there)[0]]
        self._read.update(key for key in there if self._found[key] == value)
        return value

    def take_mapping(self, *names: str) -> Mapping[str, Any] | None:
        """The first of them that has fields of its own; any other value stays unread."""
        for name in names:
            for key in self._keys.get(name, ()):
                value = self._found[key]
                if isinstance(value, dict):
                    self._read.add(key)
                    return value
        return None

    def rest(self, without: Iterable[str] = ()) -> dict[str, Any]:
        """What was not taken and says something, as it is spelled."""
        return {
            key: self._found[key]
            for name, keys in self._keys.items()
            if name not in without
            for key in keys
            if key not in self._read and not is_nothing(self._found[key])
        }


def snake(name: str) -> str:
    """`inlineData` and `inline-data` as `inline_data`."""
    return _HUMP.sub(lambda hump: f"_{hump[0]}", name).replace("-", "_").lower()


def is_nothing(value: Any) -> bool:
    """No value, no text, or what holds nothing else; 0 and False say something."""
    if isinstance(value, dict):
        return all(map(is_nothing, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_nothing, value))
    return value is None or value == ""


def merged(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of both; where they say different things, `outer`'s are in `around`."""
    found = dict(inner)
    around = {}
    for key, value in outer.items():
        if is_nothing(found.get(key)):
            found[key] = value
        elif found[key] != value and not is_nothing(value):
            around[key] = value
    if around:
        found["around"] = around if is_nothing(found.get("around")) else [found["around"], around]
    return found


def parsed(value: Any) -> Any:
    """A JSON array or object as the value that it is; any other text as it stands: the number that
    "1.10" is would read 1.1."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return value_of(value)
    except ValueError:
        return value


def text_of(value: Any) -> str:
    """Text as it is, nothing as none, any other value as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def listed(value: Any) -> list[Any]:
    """None as nothing, a list as it is, anything else as the only one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
