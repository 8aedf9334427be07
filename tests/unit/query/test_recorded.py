"""JSON that programs recorded, read so that strict JSON can say it again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.query.recorded import is_too_deep, value_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 1.5, -0.0, true, null]", [1, 1.5, -0.0, True, None]),
        ("[NaN, Infinity, -Infinity]", ["NaN", "Infinity", "-Infinity"]),
        ("[1e999, -1E999]", ["1e999", "-1E999"]),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\uD83D\uDE00"', "😀"),
        (r'{"\ud800": "a\udfffb"}', {r"\ud800": r"a\udfffb"}),
        (r'"\ud800\ud83d\ude00"', r"\ud800😀"),
        (r'"\ude00\ud83d"', r"\ude00\ud83d"),
        (r'"\\ud800"', r"\ud800"),
        (r'"\\\ud800"', "\\" + r"\ud800"),
        (r'"\ud83d\n\ude00"', "\\ud83d\n\\ude00"),
    ],
)
def test_what_json_has_no_word_for_becomes_text(text: str, expected: Any) -> None:
    assert expected == value_of(text)


@pytest.mark.parametrize("text", ["", "{broken", "'a'", "1" * 5000, "[" * 100_000, r'"\ud8"'])
def test_what_is_no_json_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        value_of(text)


def test_only_so_many_levels_are_read() -> None:
    assert not is_too_deep(value_of("[" * 64 + "]" * 64))
    for levels in (65, 300, 600, 900):
        with pytest.raises(ValueError, match="deeper"):
            value_of("[" * levels + "]" * levels)


@given(st.text(st.characters(max_codepoint=0x1FFFF), max_size=8))
def test_any_text_can_be_said_in_utf_8(text: str) -> None:
    read = value_of(json.dumps([text]))[0]
    read.encode()
    assert read == text or any("\ud800" <= char <= "\udfff" for char in text)
