"""A text as a recorded value."""

from typing import Final

from flujo_otel.redaction import redactor

_MARK_ROOM_BYTES: Final = 48


def as_text(text: str, limit_bytes: int) -> tuple[str, bool]:
    """`text` redacted, then cut to `limit_bytes` of UTF-8, and whether it was cut."""
    kept, left_out = redactor().beginning(str(text), limit_bytes)
    # A lone surrogate is no Unicode: every later encoder would fail on it.
    encoded = kept.encode(errors="backslashreplace")
    if not left_out and len(encoded) <= limit_bytes:
        return encoded.decode(), False
    room = max(limit_bytes - _MARK_ROOM_BYTES, limit_bytes // 2)
    shorter = encoded[:room].decode(errors="ignore")
    left_out += len(encoded.decode()) - len(shorter)
    return f"{shorter}… {left_out} characters cut", True
