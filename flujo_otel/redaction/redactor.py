"""Takes secrets out of what is recorded: by the names of values, and by their looks."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flujo_otel import guard
from flujo_otel.redaction.keys import Keys, Naming
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.pairs import redact_pairs
from flujo_otel.redaction.tokens import is_card, redact_tokens

_SHORTEST: Final = 5
"""`pwd=x`: the shortest text with a secret in it."""
_REMEMBERED_LENGTH: Final = 128
_MOST_REMEMBERED: Final = 2048
_DEPTH_LIMIT: Final = 64
_SMALLEST_CARD: Final = 10**12


class Redactor:
    """Thread-safe; does nothing where `enabled` is False.

    `keys`: further names of secrets. `patterns`: further regular expressions, whose matches are
    redacted. `callback`: gets each text after that and gives what is to be recorded in its stead;
    where it raises the whole text is redacted, which is counted and logged once.
    """

    __slots__ = ("_callback", "_clean", "_keys", "_patterns", "enabled")

    def __init__(
        self,
        *,
        enabled: bool = True,
        keys: Iterable[str] = (),
        patterns: Iterable[str | re.Pattern[str]] = (),
        callback: Callable[[str], str] | None = None,
    ) -> None:
        self.enabled = enabled
        self._keys = Keys(keys)
        self._patterns = tuple(re.compile(pattern) for pattern in patterns)
        self._callback = callback
        self._clean: set[str] = set()

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """A span's, event's or link's attributes, redacted; the mapping itself is left alone."""
        found = dict(attributes)
        if not self.enabled:
            return found
        for key, value in attributes.items():
            redacted = self._named(key, value, 0)
            if redacted is not value:
                found[key] = redacted
        return found

    def text(self, text: str) -> str:
        """A text, redacted: an exception's message, its stack, JSON, a prompt."""
        if not self.enabled or text in self._clean:
            return text
        redacted = text
        if len(text) >= _SHORTEST:
            redacted = redact_tokens(redact_pairs(text, self._keys))
        for pattern in self._patterns:
            redacted = pattern.sub(REDACTED, redacted)
        if self._callback is not None:
            return self._called_back(redacted)
        if redacted == text:
            self._remember(text)
            return text
        return redacted

    def value(self, value: Any) -> Any:
        """JSON-like data, redacted; `value` itself where there is nothing to redact."""
        return self._value(value, 0) if self.enabled else value

    def is_secret(self, key: str) -> bool:
        """Whether a value under this name is redacted whatever it is."""
        return self.enabled and self._keys.naming(key) is not Naming.ORDINARY

    def _named(self, key: Any, value: Any, depth: int) -> Any:
        if value is None or value is True or value is False:
            return value
        if type(key) is str and self._keys.naming(key) is not Naming.ORDINARY:
            return value if value in ("", REDACTED) else REDACTED
        return self._value(value, depth)

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            is_hidden = value >= _SMALLEST_CARD and is_card(str(value))
            return REDACTED if is_hidden else value
        if isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        if isinstance(value, list | tuple):
            return self._items(value, depth + 1)
        return value

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        if depth > _DEPTH_LIMIT:
            return REDACTED
        found = {self._key(key): self._named(key, each, depth) for key, each in value.items()}
        return found if any(map(_differ, found.items(), value.items())) else value

    def _key(self, key: Any) -> Any:
        return self.text(key) if type(key) is str else key

    def _items(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if depth > _DEPTH_LIMIT:
            return REDACTED
        found = [self._value(each, depth) for each in value]
        if all(new is old for new, old in zip(found, value, strict=True)):
            return value
        return found if isinstance(value, list) else tuple(found)

    def _called_back(self, text: str) -> str:
        try:
            given = self._callback(text)  # type: ignore[misc]
            if isinstance(given, str):
                return given
            raise TypeError(f"it gave {type(given).__name__}, not str")
        except Exception as error:
            guard.report("the redaction callback", error)
            return REDACTED

    def _remember(self, text: str) -> None:
        if len(text) <= _REMEMBERED_LENGTH:
            if len(self._clean) >= _MOST_REMEMBERED:
                self._clean.clear()
            self._clean.add(text)


def _differ(new: tuple[Any, Any], old: tuple[Any, Any]) -> bool:
    return new[0] is not old[0] or new[1] is not old[1]
