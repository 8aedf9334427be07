"""Values in a query or in HTML, whose quotes and signs are encoded.

before: ?state=%7B%22password%22%3A%22hunter%22%7D
after:  ?state=%7B%22password%22%3A%22[REDACTED]%22%7D
"""

import re
from typing import Final

from flujo_otel.redaction.named_in_text.names import Name, Replacement
from flujo_otel.redaction.named_in_text.words import whole_value

_BEGINNINGS: Final = ("%", "&")
_VALUE: Final = re.compile(
    r"(?:%22|&quot;|&#34;)?+"
    r"((?:(?!%22|%26|%2[Cc]|%7[Dd]|&quot;|&#34;|&amp;)[^\s\"'`<>&\\]){1,1024}+)"
)


def is_encoded(name: Name) -> bool:
    """By what stands around `name`."""
    return name.sign.startswith("%") or name.quotes.startswith(_BEGINNINGS)


def encoded_value(text: str, name: Name) -> Replacement | None:
    """The value up to what is encoded again."""
    value = _VALUE.match(text, name.value)
    return whole_value(value[1], value.start(1), name) if value else None
