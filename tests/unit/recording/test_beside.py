"""Secrets that only what stands around them tells, in values that are walked."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from flujo_otel.recording.json_text import as_json
from flujo_otel.redaction import Redactor, use

SECRET = "hunter22-is-mine"


@dataclass
class Header:
    name: str
    value: str


@pytest.mark.parametrize(
    "value",
    [
        (Header("authorization", SECRET), 1),
        {"at": datetime(2026, 11, 21), "field": {"name": "password", "value": SECRET}},
        ("curl", "--password", SECRET),
        {"when": datetime(2026, 11, 21), "argv": ["app", "--api-key", SECRET]},
    ],
)
def test_they_are_redacted(value: Any) -> None:
    text, was_cut = as_json(value, 64 * 1024)
    assert SECRET not in text
    assert "[REDACTED]" in text
    assert not was_cut


def test_of_a_value_that_is_cut_too() -> None:
    value = ({"name": "password", "value": SECRET}, "x" * 10_000)
    text, was_cut = as_json(value, 2048)
    assert SECRET not in text
    assert was_cut
    assert len(text) <= 2048


class Piece(NamedTuple):
    token: str
    logprob: float


@dataclass
class Choice:
    token: str
    logprob: float


@pytest.mark.parametrize("logprob", [-0.1, float("nan")])
@pytest.mark.parametrize(
    "kind", [Piece, Choice, lambda token, logprob: {"token": token, "logprob": logprob}]
)
def test_a_piece_of_an_answer_is_no_secret(kind: Any, logprob: float) -> None:
    text, _ = as_json((kind("Hello", logprob), 1), 64 * 1024)
    assert json.loads(text)[0]["token"] == "Hello"


@pytest.mark.parametrize("secret", [SECRET, [SECRET], {"a": SECRET}, (SECRET * 1000,), Header])
def test_a_token_by_itself_is_one(secret: Any) -> None:
    for limit in (1024, 64 * 1024):
        text, _ = as_json({"token": secret, "logprobs": (1,), "n": 1}, limit)
        assert json.loads(text)["token"] == "[REDACTED]"


@pytest.mark.parametrize("length", [20, 64, 65, 2000])
def test_a_name_is_not_read_by_rules_of_ones_own(length: int) -> None:
    by = Redactor(patterns=["EMP-[0-9]+"], callback=lambda text: text.replace("x", "y"))
    use(by)
    try:
        name = "x" * (length - 7) + " EMP-17"
        assert list(json.loads(as_json({name: (1,)}, 64 * 1024)[0])) == [name]
        key = "x" * length + " ghp_" + "a1" * 18
        assert list(json.loads(as_json({key: (1,)}, 64 * 1024)[0])) == [
            "x" * length + " [REDACTED]"
        ]
    finally:
        use(None)
