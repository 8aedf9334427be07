"""Takes secrets out of what is recorded: by the names of values, and by their looks."""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from flujo_otel.redaction.beside import is_header, naming_beside, says_value
from flujo_otel.redaction.commands import redact_commands
from flujo_otel.redaction.documents import begins_json, rewritten, says_escaped, unescaped
from flujo_otel.redaction.items import redact_items
from flujo_otel.redaction.keys import NAMINGS, Keys, Naming
from flujo_otel.redaction.looks import is_code, looks_faint
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.own import OwnRules
from flujo_otel.redaction.pairs import names_a_value, redact_pairs
from flujo_otel.redaction.tokens import is_card, redact_tokens
from flujo_otel.redaction.validation import redact_inputs

_SHORTEST: Final = 5
"""`pwd=x`: the shortest text with a secret in it."""
_REMEMBERED_LENGTH: Final = 128
_MOST_REMEMBERED: Final = 2048
_REMEMBERED_JSON_LENGTH: Final = 2048
_MOST_JSON_REMEMBERED: Final = 128
_DEPTH_LIMIT: Final = 64
_CARELESS_PARTS: Final = 50_000
"""To remember each container takes a tenth longer, and few values are larger: only what holds the
same twice, and that again, has many more parts than it takes bytes."""
_LOG_PROBABILITY: Final = "logprob"
"""Beside it a `token` is a piece of a model's answer."""
_SMALLEST_CARD: Final = 10**13
_LARGEST_CARD: Final = 10**16
MARGIN: Final = 1024
"""So many characters of a secret that is cut show what it is."""
_SCHEMA_TYPES: Final = ("string", "number", "integer", "object", "array", "boolean")
"""`{"password": {"type": "string"}}` describes a field and holds none."""
_CONTAINERS: Final = (list, tuple, Mapping, set, frozenset)
_ORDINARY: Final = Naming.ORDINARY
_ID: Final = Naming.ID
_BESIDE: Final = Naming.BESIDE


class _Walk:
    """Through one value: how many more of its parts are looked at without thought, and from then on
    what became of each container, `REDACTED` while it is walked itself."""

    __slots__ = ("done", "left")

    def __init__(self) -> None:
        self.left = _CARELESS_PARTS
        self.done: dict[int, tuple[Any, Any]] = {}


class Redactor:
    """Thread-safe; does nothing where `enabled` is False.

    `keys`: further names of secrets. `patterns` and `callback`: see OwnRules; names are not theirs.
    """

    __slots__ = (
        "_clean",
        "_clean_json",
        "_keys",
        "_ours",
        "_own",
        "_remembered_json_length",
        "_remembered_length",
        "enabled",
    )

    def __init__(
        self,
        *,
        enabled: bool = True,
        keys: Iterable[str] = (),
        patterns: Iterable[str | re.Pattern[str]] = (),
        callback: Callable[[str], str] | None = None,
    ) -> None:
        self.enabled, keys = enabled, tuple(keys)
        self._own = OwnRules(patterns, callback) if patterns or callback else None
        self._ours: Redactor = Redactor(keys=keys) if self._own else self
        """By our rules alone."""
        self._keys = Keys(keys, lambda name: self._ours.text(name) != name)
        self._clean: set[str] = set()
        self._clean_json: set[str] = set()
        """JSON texts of data in which there is nothing to redact."""
        # A callback may say another thing the next time.
        self._remembered_length = -1 if callback else _REMEMBERED_LENGTH
        self._remembered_json_length = -1 if callback else _REMEMBERED_JSON_LENGTH

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """A span's, event's or link's attributes, redacted; the mapping itself is left alone."""
        redacted = self._mapping(attributes, 0, None) if self.enabled else None
        return dict(attributes) if redacted is None else redacted

    def text(self, text: str) -> str:
        """A text, redacted: an exception's message, its stack, JSON, a prompt."""
        return self._read(text) if self.enabled and text not in self._clean else text

    def name(self, name: str) -> str:
        """The name of an attribute or of a field, without the secrets known by their looks and no
        further: by rules of one's own nothing would be found under its name again."""
        is_secret = self.enabled and self._keys.naming(name) is Naming.LEAK
        return self._ours.text(name) if is_secret else name

    def value(self, value: Any) -> Any:
        """JSON-like data, redacted; `value` itself where there is nothing to redact. What contains
        itself is `[REDACTED]` where it does, perhaps some levels deep."""
        return self._value(value, 0, None) if self.enabled else value

    def encoded(self, value: Any, encode: Callable[[Any], str]) -> str:
        """`encode` of `value`, redacted. `encode` gives JSON, equal texts for equal data only.

        A pipeline's context is mostly what it was at the last step: to know its text again takes a
        quarter of looking through it.
        """
        text = encode(value)
        if not self.enabled or text in self._clean_json:
            return text
        # What was written, not `value` itself, which another thread may have changed meanwhile.
        written = json.loads(text)
        redacted = self.value(written)
        if redacted is not written:
            return encode(redacted)
        if len(text) <= self._remembered_json_length:
            if len(self._clean_json) >= _MOST_JSON_REMEMBERED:
                self._clean_json.clear()
            self._clean_json.add(text)
        return text

    def named(self, key: str, value: Any) -> Any:
        """The value of one attribute, redacted; `value` itself where there is nothing to redact."""
        return self._named(self._keys.naming(key), value, 0, None) if self.enabled else value

    def knows(self, key: str, text: str) -> bool:
        """Whether it has seen already that there is nothing to redact in either. Cheap."""
        return text in self._clean and self._keys.known.get(key) is _ORDINARY

    def beginning(self, text: str, length: int) -> tuple[str, int]:
        """The beginning of a text that is going to be cut to `length`, redacted, perhaps longer
        than that; and how many characters of the text it leaves out.

        Costs what `length` costs, and shows no secret that the cut would go through.
        """
        window = length + 2 * MARGIN
        if len(text) <= window or not self.enabled:
            return self.text(text), 0
        redacted = self.text(text[:window])
        # What the window itself cuts may have moved to the front with the redacted before it.
        return redacted[:-MARGIN], len(text) - window + MARGIN

    def hides(self, key: str, value: object) -> bool:
        """Whether `value` is redacted for its name."""
        naming = self._keys.naming(key)
        return self.enabled and naming in NAMINGS and _is_hidden(naming, value)

    def hides_beside(self, fields: Mapping[str, str], key: str, value: object) -> bool:
        """Whether `value`, which stands under `key`, is redacted for what the `fields` beside it
        say that it is."""
        if not self.enabled or self._keys.naming(key) is not _BESIDE:
            return False
        naming = naming_beside(fields, value, self._keys)
        return naming in NAMINGS and _is_hidden(naming, value)

    def _mapping(
        self, value: Mapping[Any, Any], depth: int, walk: _Walk | None
    ) -> dict[Any, Any] | None:
        """None: there is nothing to redact."""
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
            if naming is _BESIDE:
                naming = naming_beside(value, each, self._keys)
            elif naming in NAMINGS and key == "token" and _LOG_PROBABILITY in value:
                naming = _ORDINARY
            redacted = self._named(naming, each, depth, walk)
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
            name = plain = self.name(key) if type(key) is str else key
            while name in found:
                name = f"{plain} {len(found) + 1}"
            found[name] = each
        return found

    def _named(self, naming: Naming, value: Any, depth: int, walk: _Walk | None) -> Any:
        if naming is _ID:
            return value
        if naming in NAMINGS and _is_hidden(naming, value):
            return value if value == REDACTED else REDACTED
        return self._value(value, depth, walk)

    def _value(self, value: Any, depth: int, walk: _Walk | None) -> Any:
        kind = type(value)
        if kind is str or isinstance(value, str):
            return self.text(value)
        if kind is float or kind is bool or value is None:
            return value
        if kind is dict or kind is list:  # to look at abstract classes takes ten times as long
            return self._container(value, depth, walk or _Walk()) if value else value
        if isinstance(value, int):
            is_hidden = _SMALLEST_CARD <= value <= _LARGEST_CARD and is_card(str(value))
            return REDACTED if is_hidden else value
        if isinstance(value, _CONTAINERS):
            return self._container(value, depth, walk or _Walk())
        return self._bytes(value) if isinstance(value, bytes | bytearray) else value

    def _bytes(self, value: bytes | bytearray) -> bytes | bytearray:
        """Text in bytes is read as text; other bytes say nothing of what they are."""
        text = value.decode("utf-8", "surrogateescape")
        redacted = self.text(text)
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
            redacted = self._mapping(value, depth, walk)
            return value if redacted is None else redacted
        found = [self._value(each, depth, walk) for each in value]
        if isinstance(value, list | tuple):
            if len(found) == 2 and value[1] and self._is_named_pair(value):
                found[1] = REDACTED
            elif value and type(value[0]) is str:
                redact_items(found, value, self._keys)
        if all(map(operator.is_, found, value)):
            return value
        if isinstance(value, list):
            return found
        return tuple(found) if isinstance(value, tuple) else set(found)

    def _is_named_pair(self, value: Sequence[Any]) -> bool:
        """A header as servers have it: ("authorization", b"Bearer ..."). Of a list, which may be
        one of words, only where the first is no word."""
        name, secret = value
        if not (isinstance(name, str | bytes) and isinstance(secret, str | bytes)):
            return False
        name = name if isinstance(name, str) else name.decode("latin-1")
        if not (isinstance(value, tuple) or is_header(name)):
            return False
        return self._keys.naming(name.removeprefix("--")) is Naming.STRONG

    def _read(self, text: str) -> str:
        own = self._own
        redacted = self._by_looks(text) if own is None else own.text(self._ours.text(text))
        if redacted is not text and redacted != text:
            return redacted
        if len(text) <= self._remembered_length:
            if len(self._clean) >= _MOST_REMEMBERED:
                self._clean.clear()
            self._clean.add(text)
        return text

    def _by_looks(self, text: str) -> str:
        if len(text) < _SHORTEST:
            return text
        if "\\" in text and says_escaped(text):
            return self._escaped(text)
        redacted = self._running(text)
        if redacted == text and not (
            '"' in text and says_value(text) and names_a_value(text, self._keys)
        ):
            return redacted
        # JSON is taken for what it says: in `{"ask": "Your password:", "n": 1}` is no secret.
        document = rewritten(text, self.value) if begins_json(text) else None
        return redacted if document is None else document

    def _escaped(self, text: str) -> str:
        document = rewritten(text, self.value) if begins_json(text) else None
        if document is not None:
            return document
        plain = unescaped(text)
        redacted = self._running(plain)
        return text if redacted == plain else redacted

    def _running(self, text: str) -> str:
        redacted = redact_pairs(text, self._keys)
        if "[" in text and "input_value=" in text:
            redacted = redact_inputs(redacted, self._keys)
        if "-" in text:
            redacted = redact_commands(redacted, self._keys)
        return redact_tokens(redacted)


def _describes(field: Mapping[Any, Any]) -> bool:
    is_given = field.get("value") or field.get("default")
    return field.get("type") in _SCHEMA_TYPES and not is_given


def _is_hidden(naming: Naming, value: object) -> bool:
    """A flag hides nothing, nor does what is empty; a number of tokens or cookies is a number."""
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return naming is Naming.STRONG or (naming is Naming.FAINT and is_code(value))
    if naming is Naming.FAINT and isinstance(value, str):
        return looks_faint(value)
    if isinstance(value, Mapping):
        return bool(value) and not _describes(value)
    return not isinstance(value, str | bytes | list | tuple) or bool(value)
