"""The doors: what is given to be recorded comes in here, and goes out without its secrets.

before: login failed: password=hunter2 api_key=abc as always
after:  login failed: password=[REDACTED] api_key=[REDACTED] as always
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flujo_otel.redaction.data import DataRedactor
from flujo_otel.redaction.documents import REDACTED_JSON
from flujo_otel.redaction.evidence import is_hidden
from flujo_otel.redaction.faults import swallow
from flujo_otel.redaction.fields import asks_beside, naming_among
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.naming import NAMINGS, Naming
from flujo_otel.redaction.own import OwnRules
from flujo_otel.redaction.text import Memory, TextRedactor

_REMEMBERED_LENGTH: Final = 128
_MOST_REMEMBERED: Final = 2048
_REMEMBERED_JSON_LENGTH: Final = 2048
_MOST_JSON_REMEMBERED: Final = 128
_NONE: Final[Mapping[Any, Any]] = {}
MARGIN: Final = 1024
"""So many characters of a secret that is cut show what it is."""


class Redactor:
    """Thread-safe; does nothing where `enabled` is False.

    `keys`: further names of secrets. `patterns` and `callback`: see OwnRules; names are not theirs.
    """

    __slots__ = (
        "_clean",
        "_clean_json",
        "_data",
        "_keep_json",
        "_keys",
        "_ours",
        "_read",
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
        # The parts stand in a ring: names are read by `text`, which is made of names, and data and
        # text read one another. So each is given what calls back here, once all are there: `_ours`
        # comes before `_keys`, which asks it, and the memory before those that share it.
        own = OwnRules(patterns, callback) if patterns or callback else None
        self._ours: Redactor = Redactor(keys=keys) if own else self
        """By our rules alone."""
        self._keys = Keys(keys, lambda name: self._ours._read(name) != name)
        # A callback may say another thing the next time.
        memory = Memory(_MOST_REMEMBERED, -1 if callback else _REMEMBERED_LENGTH)
        self._clean = memory.texts
        json_memory = Memory(_MOST_JSON_REMEMBERED, -1 if callback else _REMEMBERED_JSON_LENGTH)
        self._clean_json = json_memory.texts
        """JSON texts of data in which there is nothing to redact."""
        self._keep_json = json_memory.keep
        instead = (lambda text: own.text(self._ours.text(text))) if own else None
        self._read = TextRedactor(self._keys, self.value, memory, instead).read
        self._data = DataRedactor(self._keys, self._clean, self._read, self.name)

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """A span's, event's or link's attributes, redacted; the mapping itself is left alone."""
        try:
            redacted = self._data.fields(attributes) if self.enabled else None
            return dict(attributes) if redacted is None else redacted
        except BaseException as error:
            swallow(error)
            return self._one_by_one(attributes)

    def _one_by_one(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """One of these cannot be redacted: the others are still looked for."""
        found: dict[str, Any] = {}
        for key, value in attributes.items():
            name = plain = self.name(key)
            while name in found:
                name = f"{plain} {len(found) + 1}"
            found[name] = self.named(key, value, attributes)
        return found

    def text(self, text: str) -> str:
        """A text, redacted: an exception's message, its stack, JSON, a prompt."""
        try:
            return self._read(text) if self.enabled and text not in self._clean else text
        except BaseException as error:
            swallow(error)
            return REDACTED

    def name(self, name: str) -> str:
        """The name of an attribute or of a field, without the secrets known by their looks and no
        further: by rules of one's own nothing would be found under its name again."""
        try:
            is_secret = self.enabled and self._keys.naming(name) is Naming.LEAK
            return self._ours.text(name) if is_secret else name
        except BaseException as error:
            swallow(error)
            return REDACTED

    def value(self, value: Any) -> Any:
        """JSON-like data, redacted; `value` itself where there is nothing to redact. What contains
        itself is `[REDACTED]` where it does, perhaps some levels deep."""
        try:
            return self._data.value(value) if self.enabled else value
        except BaseException as error:
            swallow(error)
            return REDACTED

    def encoded(self, value: Any, encode: Callable[[Any], str]) -> str:
        """`encode` of `value`, redacted. `encode` gives JSON, equal texts for equal data only; what
        it raises of `value` is raised.

        A pipeline's context is mostly what it was at the last step: to know its text again takes a
        quarter of looking through it.
        """
        text = encode(value)
        if not self.enabled or text in self._clean_json:
            return text
        try:
            # What was written, not `value` itself, which another thread may have changed meanwhile.
            written = json.loads(text)
            redacted = self._data.value(written)
            if redacted is not written:
                return encode(redacted)
            self._keep_json(text)
            return text
        except BaseException as error:
            swallow(error)
            return REDACTED_JSON

    def named(self, key: str, value: Any, fields: Mapping[Any, Any] = _NONE) -> Any:
        """The value of one attribute, redacted; `value` itself where there is nothing to redact.
        `fields`: it and those beside it, where `asks_beside`."""
        try:
            if not self.enabled:
                return value
            return self._data.named(self._naming(key, value, fields), value)
        except BaseException as error:
            swallow(error)
            return REDACTED

    def _naming(self, key: str, value: Any, fields: Mapping[Any, Any]) -> Naming:
        naming = self._keys.naming(key)
        return naming_among(key, naming, fields, value, self._keys)

    def knows(self, key: str, text: str) -> bool:
        """Whether it has seen already that there is nothing to redact in either. Cheap."""
        return text in self._clean and self._keys.known.get(key) is Naming.ORDINARY

    def beginning(self, text: str, length: int) -> tuple[str, int]:
        """The beginning of a text that is going to be cut to `length`, redacted, perhaps longer
        than that; and how many characters of the text it leaves out.

        Costs what `length` costs, and shows no secret that the cut would go through.
        """
        window = length + 2 * MARGIN
        if len(text) <= window or not self.enabled:
            return self.text(text), 0
        try:
            redacted = self._read(text[:window])
        except BaseException as error:
            swallow(error)
            return REDACTED, 0
        # What the window itself cuts may have moved to the front with the redacted before it.
        return redacted[:-MARGIN], len(text) - window + MARGIN

    def name_beginning(self, name: str, length: int) -> tuple[str, int]:
        """As `beginning`, of a name; by the rules of `name`."""
        return self._ours.beginning(name, length) if self.enabled else (name, 0)

    def hides(self, key: str, value: object, fields: Mapping[Any, Any] = _NONE) -> bool:
        """Whether `value` is redacted for its name, and for the `fields` that it stands among."""
        try:
            naming = self._naming(key, value, fields) if self.enabled else Naming.ORDINARY
            return naming in NAMINGS and is_hidden(naming, value)
        except BaseException as error:
            swallow(error)
            return True

    def asks_beside(self, key: str) -> bool:
        """Whether fields beside it may say another thing of its value than `key` does. Cheap."""
        if self._keys.known.get(key) is Naming.ORDINARY:
            return False
        try:
            return self.enabled and asks_beside(key, self._keys.naming(key))
        except BaseException as error:
            swallow(error)
            return False
