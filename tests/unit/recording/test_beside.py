"""Secrets that only what stands around them tells, in values that are walked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from flujo_otel.recording.json_text import as_json

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
