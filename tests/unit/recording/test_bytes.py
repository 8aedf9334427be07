"""Bytes are recorded as the text that they are, else in base64, without the secrets in either."""

import base64
import json
import os

import pytest

from flujo_otel.recording.json_text import as_json

LIMIT = 1 << 20
CUT = 64 * 1024
SECRET = b"password=hunter2 "


def read(value: object) -> str:
    return json.loads(as_json(value, LIMIT)[0])["a"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_is_no_text_loses_what_can_be_read_in_it(kind: type) -> None:
    encoded = read({"a": kind(SECRET + b"\xe9\xff\x00")})
    assert base64.b64decode(encoded.removeprefix("base64:")) == b"password=[REDACTED] \xe9\xff\x00"


def test_what_holds_no_secret_stays_to_the_byte() -> None:
    value = b"\x89PNG\xff" + os.urandom(2000)
    assert base64.b64decode(read({"a": value}).removeprefix("base64:")) == value


@pytest.mark.parametrize("place", range(1, 5))
@pytest.mark.parametrize("letter", ["é", "密", "𝟙"])
def test_a_text_whose_last_letter_is_cut_in_two_is_a_text(letter: str, place: int) -> None:
    text = read({"a": SECRET + (b"." * place + letter.encode() * CUT)})
    assert text.startswith(f"password=[REDACTED] {'.' * place}{letter * 1000}")
    assert text.endswith(
        f"{letter}… over {len(letter.encode()) * CUT + 17 + place - CUT} bytes cut"
    )


def test_a_text_that_ends_within_a_letter_is_none() -> None:
    assert read({"a": "aé".encode()[:-1]}) == "base64:YcM="


def test_no_secret_is_left_that_the_cut_goes_through() -> None:
    for end in (b"", b"\xff"):
        value = b"." * (CUT - 40) + end + b' {"password": "' + b"hunter2" * 100
        assert "hunter" not in read({"a": value})
        begun = read({"a": value}).removeprefix("base64:").partition("…")[0]
        assert b"hunter" not in base64.b64decode(begun + "===") or not end
