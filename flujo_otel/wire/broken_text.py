"""Texts in a protobuf message that are no UTF-8, made such.

Protobuf demands UTF-8 and its library takes no message without, but programs in C++, Go or Ruby cut
a text in the middle of a character and send it all the same. One such text should not cost the
other 500 spans of its request.
"""

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]

from flujo_otel.wire.protobuf import DELIMITED, delimited, fields, tag

_MOST_FIELDS: Final = 1_000_000
"""Each takes some 1.5 us. What is decoded in one go has 524,288 in 1 MiB at most, unless a single
span is larger."""
_MOST_ESCAPED_BYTES: Final = 64 * 1024
"""Of one text; in a longer one U+FFFD stands for what is no UTF-8. An escape takes 0.15 us, and
nobody else runs meanwhile: 60 MB of them took 8 s."""
_MOST_LEVELS: Final = 100
"""As protobuf's library has it."""


def mended(message: bytes, kind: Any) -> tuple[bytes, int]:
    """`message`, of the type that the descriptor `kind` describes, with each byte in its texts that
    is no UTF-8 as its escape (`\\xff`; in a long text as U+FFFD), and how many texts had such.

    Raises ValueError where this is no message, or one of over 1,000,000 fields.
    """
    mender = _Mender(message)
    return mender.content(0, len(message), kind, _MOST_LEVELS) or message, mender.count


class _Mender:
    def __init__(self, message: bytes) -> None:
        self.count = 0
        self._message = message
        self._left = _MOST_FIELDS

    def content(self, start: int, end: int, kind: Any, levels: int) -> bytes | None:
        """What stands there, anew; None where nothing is to be mended."""
        pieces: list[bytes] = []
        kept_from = start
        for number, wire_type, key_at, value_at, stop in fields(self._message, start, end):
            self._left -= 1
            if self._left < 0 or levels == 0:
                raise ValueError("Too many fields or levels to look for texts that are no UTF-8.")
            field = kind.fields_by_number.get(number)
            if field is None or wire_type != DELIMITED:
                continue
            if field.type == FieldDescriptor.TYPE_STRING:
                value = self._text(value_at, stop)
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                value = self.content(value_at, stop, field.message_type, levels - 1)
            else:
                continue
            if value is not None:
                pieces += (
                    self._message[kept_from:key_at],
                    delimited(tag(number, DELIMITED), value),
                )
                kept_from = stop
        if not pieces:
            return None
        return b"".join([*pieces, self._message[kept_from:end]])

    def _text(self, start: int, end: int) -> bytes | None:
        raw = self._message[start:end]
        try:
            raw.decode()
        except UnicodeDecodeError:
            self.count += 1
            how = "backslashreplace" if len(raw) <= _MOST_ESCAPED_BYTES else "replace"
            return raw.decode("utf-8", how).encode()
        return None
