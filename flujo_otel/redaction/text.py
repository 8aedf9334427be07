"""What becomes of a text: of one that was seen nothing, else each rule in its turn.

before: login failed: password=hunter2 for https://ann:s3cret@db/
after:  login failed: password=[REDACTED] for https://ann:[REDACTED]@db/
"""

from collections.abc import Callable
from typing import Any, Final

from flujo_otel.redaction.commands import redact_commands
from flujo_otel.redaction.documents import begins_json, rewritten, says_escaped, unescaped
from flujo_otel.redaction.fields import says_value
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.looks.search import redact_looks
from flujo_otel.redaction.named_in_text.names import mentions_name
from flujo_otel.redaction.named_in_text.search import redact_named
from flujo_otel.redaction.validation import redact_inputs

_SHORTEST: Final = 5
"""`pwd=x`: the shortest text with a secret in it."""


class Memory:
    """Texts that were seen to hold no secret, as most come again: at most `most` of at most
    `longest` characters; when it is full it begins anew."""

    __slots__ = ("_longest", "_most", "texts")

    def __init__(self, most: int, longest: int) -> None:
        self._most = most
        self._longest = longest
        self.texts: set[str] = set()
        """To ask it, 13 ns; were this class a kind of set, 23, and with a method of its own 41."""

    def keep(self, text: str) -> None:
        """Remember `text`, unless it is too long."""
        if len(text) <= self._longest:
            if len(self.texts) >= self._most:
                self.texts.clear()
            self.texts.add(text)


class TextRedactor:
    """By our rules; or by `instead`. `of_data` redacts what JSON in a text says. `memory` is
    of texts in which there is nothing to redact; `read` is for others."""

    __slots__ = ("_instead", "_keep", "_keys", "_of_data")

    def __init__(
        self,
        keys: Keys,
        of_data: Callable[[Any], Any],
        memory: Memory,
        instead: Callable[[str], str] | None = None,
    ) -> None:
        self._keys = keys
        self._of_data = of_data
        self._instead = instead
        self._keep = memory.keep

    def read(self, text: str) -> str:
        """A text, redacted; `text` itself where there is nothing to redact."""
        instead = self._instead
        redacted = self._by_ours(text) if instead is None else instead(text)
        if redacted is not text and redacted != text:
            return redacted
        self._keep(text)
        return text

    def _by_ours(self, text: str) -> str:
        if len(text) < _SHORTEST:
            return text
        if "\\" in text and says_escaped(text):
            return self._escaped(text)
        redacted = self._running(text)
        if redacted == text and not (
            '"' in text and says_value(text) and mentions_name(text, self._keys)
        ):
            return redacted
        # JSON is taken for what it says: in `{"ask": "Your password:", "n": 1}` is no secret.
        document = rewritten(text, self._of_data) if begins_json(text) else None
        return redacted if document is None else document

    def _escaped(self, text: str) -> str:
        document = rewritten(text, self._of_data) if begins_json(text) else None
        if document is not None:
            return document
        plain = unescaped(text)
        redacted = self._running(plain)
        return text if redacted == plain else redacted

    def _running(self, text: str) -> str:
        """Without regard to what JSON says."""
        redacted = redact_named(text, self._keys)
        if "[" in text and "input_value=" in text:
            redacted = redact_inputs(redacted, self._keys)
        if "-" in text:
            redacted = redact_commands(redacted, self._keys)
        return redact_looks(redacted)
