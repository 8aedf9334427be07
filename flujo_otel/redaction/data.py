"""What becomes of data: each value is read by its name, by its neighbours and by its looks.

before: {"user": "ann", "user.apiKey": "abc", "n": 12}
after:  {"user": "ann", "user.apiKey": "[REDACTED]", "n": 12}
"""

import operator
from collections.abc import Callable, Mapping, Set
from typing import Any, Final

from flujo_otel.redaction.evidence import is_hidden
from flujo_otel.redaction.fields import naming_among
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.looks import cards
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.naming import NAMINGS, Naming
from flujo_otel.redaction.neighbours import names_second, redact_items

_DEPTH_LIMIT: Final = 64
_CARELESS_PARTS: Final = 50_000
"""To remember each container takes a tenth longer, and few values are larger: only what holds the
same twice, and that again, has many more parts than it takes bytes."""
_CONTAINERS: Final = (list, tuple, Mapping, set, frozenset)
_SMALLEST_CARD: Final = cards.SMALLEST
_ORDINARY: Final = Naming.ORDINARY
_ID: Final = Naming.ID


class _Walk:
    """Through one value: how many more of its parts are looked at without thought, and from then on
    what became of each container, `REDACTED` while it is walked itself."""

    __slots__ = ("done", "left")

    def __init__(self) -> None:
        self.left = _CARELESS_PARTS
        self.done: dict[int, tuple[Any, Any]] = {}


class DataRedactor:
    """`read` redacts the texts that are not in `clean`, `plain_name` the names that are secrets
    themselves."""

    __slots__ = ("_clean", "_keys", "_plain_name", "_read")

    def __init__(
        self,
        keys: Keys,
        clean: Set[str],
        read: Callable[[str], str],
        plain_name: Callable[[str], str],
    ) -> None:
        self._keys = keys
        self._clean = clean
        self._read = read
        self._plain_name = plain_name

    def fields(
        self, value: Mapping[Any, Any], depth: int = 0, walk: _Walk | None = None
    ) -> dict[Any, Any] | None:
        """`value`, redacted; None: there is nothing to redact."""
        known, clean = self._keys.known, self._clean
        found: dict[Any, Any] | None = None
        has_leaks = False
        for key, each in value.items():
            # What most values are, without a call: a fifth of the time.
            naming = known.get(key)
            if naming is _ID:
                continue
            kind = type(each)
            if naming is _ORDINARY:
                if kind is str:
                    if each in clean or (redacted := self._read(each)) is each:
                        continue
                    found = found or dict(value)
                    found[key] = redacted
                    continue
                if kind is float or kind is bool or (kind is int and each < _SMALLEST_CARD):
                    continue
            if naming is None:
                naming = self._keys.naming(key) if type(key) is str else _ORDINARY
            if naming is not _ORDINARY:
                naming = naming_among(key, naming, value, each, self._keys)
            redacted = self.named(naming, each, depth, walk)
            leaks = naming is Naming.LEAK
            if redacted is not each or leaks:
                found = found or dict(value)
                found[key] = redacted
                has_leaks = has_leaks or leaks
        return found if found is None or not has_leaks else self._renamed(found)

    def _renamed(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """`value` without the secrets among its names, each still a name of its own."""
        found: dict[Any, Any] = {}
        for key, each in value.items():
            name = plain = self._plain_name(key) if type(key) is str else key
            while name in found:
                name = f"{plain} {len(found) + 1}"
            found[name] = each
        return found

    def named(self, naming: Naming, value: Any, depth: int = 0, walk: _Walk | None = None) -> Any:
        """A value whose name says `naming`; `value` itself where there is nothing to redact."""
        if naming is _ID:
            return value
        if naming in NAMINGS and is_hidden(naming, value):
            return value if value == REDACTED else REDACTED
        return self.value(value, depth, walk)

    def value(self, value: Any, depth: int = 0, walk: _Walk | None = None) -> Any:
        """A value without a name; itself where there is nothing to redact."""
        kind = type(value)
        if kind is str or isinstance(value, str):
            return self._text(value)
        if kind is float or kind is bool or value is None:
            return value
        if kind is dict or kind is list:  # to look at abstract classes takes ten times as long
            return self._container(value, depth, walk or _Walk()) if value else value
        if isinstance(value, int):
            return REDACTED if cards.is_card(value) else value
        if isinstance(value, _CONTAINERS):
            return self._container(value, depth, walk or _Walk())
        return self._bytes(value) if isinstance(value, bytes | bytearray) else value

    def _text(self, text: str) -> str:
        return text if text in self._clean else self._read(text)

    def _bytes(self, value: bytes | bytearray) -> bytes | bytearray:
        """Text in bytes is read as text; other bytes say nothing of what they are."""
        text = value.decode("utf-8", "surrogateescape")
        redacted = self._text(text)
        return value if redacted == text else redacted.encode("utf-8", "surrogateescape")

    def _container(self, value: Any, depth: int, walk: _Walk) -> Any:
        if depth >= _DEPTH_LIMIT:
            return REDACTED
        walk.left -= len(value) + 1
        if walk.left >= 0:
            return self._parts(value, depth + 1, walk)
        known = walk.done.get(id(value))
        if known is None:
            walk.done[id(value)] = value, REDACTED
            known = walk.done[id(value)] = value, self._parts(value, depth + 1, walk)
        return known[1]

    def _parts(self, value: Any, depth: int, walk: _Walk) -> Any:
        if type(value) is dict or isinstance(value, Mapping):
            redacted = self.fields(value, depth, walk)
            return value if redacted is None else redacted
        found = [self.value(each, depth, walk) for each in value]
        if isinstance(value, list | tuple):
            if len(found) == 2 and value[1] and names_second(value, self._keys):
                found[1] = REDACTED
            elif value and type(value[0]) is str:
                redact_items(found, value, self._keys)
        if all(map(operator.is_, found, value)):
            return value
        if isinstance(value, list):
            return found
        return tuple(found) if isinstance(value, tuple) else set(found)
