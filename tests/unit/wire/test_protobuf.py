"""The reader of protobuf's wire format finds every field, or says that there is no message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.wire.protobuf import (
    DELIMITED,
    VARINT,
    delimited,
    fields,
    fixed32,
    fixed64,
    read_varint,
    tag,
    varint,
)

numbers = st.integers(1, (1 << 29) - 1)
values = st.integers(0, (1 << 64) - 1)


@given(number=numbers, text=st.binary(max_size=300), value=values, before=st.binary(max_size=9))
def test_every_kind_of_field_is_found_where_it_stands(
    number: int, text: bytes, value: int, before: bytes
) -> None:
    written = [
        tag(number, VARINT) + varint(value),
        delimited(tag(number, DELIMITED), text),
        fixed32(tag(number, 5), value & 0xFFFFFFFF),
        fixed64(tag(number, 1), value),
    ]
    body = before + b"".join(written) + b"\xff"
    found = list(fields(body, len(before), len(body) - 1))
    assert written == [body[key_at:stop] for _, _, key_at, _, stop in found]
    assert [(number, kind) for kind in (VARINT, DELIMITED, 5, 1)] == [each[:2] for each in found]
    places = [(value_at, stop) for _, _, _, value_at, stop in found]
    assert (value, places[0][1]) == read_varint(body, places[0][0])
    assert text == body[slice(*places[1])]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x0c", "wire type 4"),
        (b"\x0b", "does not end"),
        (b"\x0b\x14", "do not fit"),
        (b"\x0b\x0a\x05x\x0c", "does not end"),
        (b"\x0b" * 101 + b"\x0c" * 101, "do not fit"),
        (b"\x0b" + b"\x08\x00" * (1 << 19) + b"\x0c", "does not end"),
        (b"\x02\x00", "number 0"),
        (b"\x0a\x02x", "beyond its message"),
        (b"\x0d\x00\x00", "beyond its message"),
        (b"\x08", "does not end"),
        (b"\x08" + b"\xff" * 11, "does not end"),
    ],
)
def test_what_is_no_message_is_a_value_error(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(fields(body))


def test_a_field_that_ends_beyond_the_piece_that_is_read_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="beyond its message"):
        list(fields(b"\x0a\x02xy", 0, 3))
