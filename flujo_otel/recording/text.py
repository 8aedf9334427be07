"""Texts as recorded values: without secrets, valid Unicode, and of bounded size.

Secrets are redacted before anything is cut: half of one would no longer be known for what it is.
"""

from typing import Final

from flujo_otel.redaction import redactor
from flujo_otel.wire.values import clean_text
from flujo_otel.words import words_of

MESSAGE_LENGTH: Final = 8 * 1024
"""Characters of a message that are recorded."""
_MARK_ROOM_BYTES: Final = 48


def as_text(text: str, limit_bytes: int) -> tuple[str, bool]:
    """`text` redacted, then cut to `limit_bytes` of UTF-8, and whether it was cut."""
    kept, left_out = redactor().beginning(words_of(text), limit_bytes)
    encoded = clean_text(kept).encode()
    if not left_out and len(encoded) <= limit_bytes:
        return encoded.decode(), False
    room = max(limit_bytes - _MARK_ROOM_BYTES, limit_bytes // 2)
    shorter = encoded[:room].decode(errors="ignore")
    left_out += len(encoded.decode()) - len(shorter)
    return f"{shorter}… {left_out} characters cut", True


def clipped(text: object, length: int = MESSAGE_LENGTH) -> str:
    """The words of `text`, redacted, then cut to `length` characters."""
    words, left_out = redactor().beginning(words_of(text), length)
    left_out += max(len(words) - length, 0)
    return f"{words[:length]}… {left_out} characters cut" if left_out else words
