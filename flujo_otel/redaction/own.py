"""The rules of whoever runs the program: regular expressions, and a function with the last word.

They know nothing of JSON, so they are never shown any: of a text that is JSON they get the strings
one by one, without quotes and escapes, and all else of it stays as it stands, to the character.
"""

import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Final

from flujo_otel import guard
from flujo_otel.interruption import passes
from flujo_otel.redaction.documents import REDACTED_JSON, STRING, begins_json, decode, is_json
from flujo_otel.redaction.mark import REDACTED

_NESTING_LIMIT: Final = 8
"""JSON in strings of JSON in strings: each level doubles the backslashes of the one within."""


class OwnRules:
    """`patterns`: what matches is redacted. `callback`: gets each text after that and gives what is
    to be recorded in its stead; where it raises the whole text is redacted, which is counted and
    logged once."""

    __slots__ = ("_callback", "_patterns")

    def __init__(
        self, patterns: Iterable[str | re.Pattern[str]], callback: Callable[[str], str] | None
    ) -> None:
        self._patterns = tuple(re.compile(pattern) for pattern in patterns)
        self._callback = callback

    def text(self, text: str, nesting: int = 0) -> str:
        """`text` by these rules: string by string where it is JSON, else as a whole."""
        if not begins_json(text):
            return self._whole(text)
        is_document = is_json(text) if nesting < _NESTING_LIMIT else None
        if is_document:
            return STRING.sub(
                lambda match: match[0] if match[1] else self._string(match[0], nesting), text
            )
        whole = self._whole(text)
        # What nobody can read may be JSON, and stays that.
        return REDACTED_JSON if is_document is None and whole != text else whole

    def _string(self, literal: str, nesting: int) -> str:
        given = decode(literal) if "\\" in literal else literal[1:-1]
        text = self.text(given, nesting + 1)
        if text == given:
            return literal
        return encode_basestring_ascii(text) if literal.isascii() else encode_basestring(text)

    def _whole(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text if self._callback is None else self._called_back(text, self._callback)

    def _called_back(self, text: str, callback: Callable[[str], str]) -> str:
        try:
            given = callback(text)
            if isinstance(given, str):
                return given
            fault = f"it gave {type(given).__name__}, not str"
        except BaseException as error:
            if passes(error):
                raise
            # Its own words may hold the text.
            fault = f"it raised {type(error).__name__}"
        guard.report("the redaction callback", TypeError(fault))
        return REDACTED
