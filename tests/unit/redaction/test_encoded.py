"""Data that is written as JSON: what has no secret is known again by its text."""

import json
from typing import Any

import pytest

from flujo_otel.redaction import REDACTED, Redactor

SECRET = {"password": "hunter22", "n": 1}


def encoded(redactor: Redactor, value: Any) -> Any:
    return json.loads(redactor.encoded(value, json.dumps))


def test_a_secret_is_redacted_each_time() -> None:
    redactor = Redactor()
    for _ in range(3):
        assert encoded(redactor, SECRET) == {"password": REDACTED, "n": 1}
        assert encoded(redactor, {"n": 1}) == {"n": 1}


def test_what_is_known_of_one_text_is_not_said_of_another() -> None:
    redactor = Redactor()
    assert encoded(redactor, {"password": 0, "user": "x"}) == {"password": REDACTED, "user": "x"}
    assert encoded(redactor, {"user": "x"}) == {"user": "x"}
    assert encoded(redactor, {"password": "x", "user": "x"})["password"] == REDACTED


def test_a_callback_is_asked_each_time() -> None:
    answers = iter(["kept", "gone", "kept again"])
    redactor = Redactor(callback=lambda _: next(answers))
    assert [encoded(redactor, {"a": "text"})["a"] for _ in range(3)] == [
        "kept",
        "gone",
        "kept again",
    ]


def test_where_nothing_is_redacted_it_is_the_text() -> None:
    assert encoded(Redactor(enabled=False), SECRET) == SECRET


@pytest.mark.parametrize("count", [100, 1000])
def test_how_much_is_remembered_is_bounded(count: int) -> None:
    redactor = Redactor()
    for number in range(count):
        redactor.encoded({"n": number, "text": "x" * number}, json.dumps)
    assert len(redactor._clean_json) <= 128
    assert sum(map(len, redactor._clean_json)) <= 128 * 2048
