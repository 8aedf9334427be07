"""Goes through a text from name to name, and redacts what stands behind the names of secrets.

before: {"password": "hunter2", "n": 1}
after:  {"password": "[REDACTED]", "n": 1}
"""

from typing import Final

from flujo_otel.redaction.evidence import is_folder
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.named_in_text.blocks import block_value
from flujo_otel.redaction.named_in_text.elements import element_value
from flujo_otel.redaction.named_in_text.encodings import encoded_value, is_encoded
from flujo_otel.redaction.named_in_text.headers import header_value
from flujo_otel.redaction.named_in_text.literals import literal_value
from flujo_otel.redaction.named_in_text.names import (
    Name,
    Replacement,
    lowered,
    name_of,
    signs_after,
)
from flujo_otel.redaction.named_in_text.strings import opening_at, string_value
from flujo_otel.redaction.named_in_text.words import word_end

_MOST_IN_WORD: Final = 32
"""Names in one run of characters without a blank or a quote. Each is followed by all the rest of
it, so looking at more would take the square of its length; the rest is redacted then."""


def redact_named(text: str, keys: Keys) -> str:
    """`text` with the values of secrets' names redacted."""
    if not ("=" in text or ":" in text or ">" in text or "'" in text or '"' in text):
        return text
    low = lowered(text)
    if not keys.may_be_in(low):
        return text
    parts: list[str] = []
    done = end = in_word = 0
    for after in signs_after(low, keys.stems):
        # A name may end what was redacted, and its value come after that.
        if after.end(4) < done or (name := name_of(text, after, keys)) is None:
            continue
        if name.value >= end:
            end, in_word = word_end(text, name.value), 0
        in_word += 1
        is_crowd = in_word > _MOST_IN_WORD
        found = (name.value, end, REDACTED) if is_crowd else _value(text, name)
        if found is not None and not is_folder(name.text, text[found[0] : found[1]]):
            parts += (text[done : found[0]], found[2])
            done = found[1]
    return "".join(parts) + text[done:] if parts else text


def _value(text: str, name: Name) -> Replacement | None:
    """The value behind `name`, by how it begins. None: it is no secret."""
    if name.sign[0] == ">":
        return element_value(text, name)
    if is_encoded(name):
        return encoded_value(text, name)
    opening = opening_at(text, name.value)
    if opening is not None:
        return string_value(text, opening, name)
    if name.quoted or name.tight:
        literal = literal_value(text, name)
        if literal is not None or name.quoted:
            return literal
    block = block_value(text, name) if name.sign == ":" else None
    return header_value(text, name) if block is None else block
