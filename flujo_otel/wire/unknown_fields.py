"""Fields that no version of OTLP has yet, in ResourceSpans beside its Resource or in ScopeSpans
beside its InstrumentationScope: kept with that message, in a field of our own that is its last.

So they are stored once for all spans that they stand around, and no table has a column for what
nobody has sent so far. A field of the same number that somebody else sends has ours behind it.
"""

from typing import Final

from flujo_otel.wire.protobuf import DELIMITED, delimited, fields, tag

_OURS: Final = (1 << 29) - 1
"""The highest number that there is."""
_KEY: Final = tag(_OURS, DELIMITED)


def joined(message: bytes, beside: bytes) -> bytes:
    """`message` with the fields `beside` it, as it is stored."""
    if not beside and _KEY not in message:
        return message
    return message + delimited(_KEY, beside)


def parted(stored: bytes) -> tuple[bytes, bytes]:
    """The message, and the fields beside it. Raises ValueError where it is no message."""
    if _KEY not in stored:
        return stored, b""
    *_, (number, _, key_at, value_at, _) = fields(stored)
    return (stored[:key_at], stored[value_at:]) if number == _OURS else (stored, b"")
