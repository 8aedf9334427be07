"""A fault of ours while redacting shows nothing and is raised to nobody."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from flujo_otel.guard import faults
from flujo_otel.redaction import MARGIN, REDACTED, Redactor, text

SECRET = "what nobody is to see"
LONG = SECRET * MARGIN


class Stop(KeyboardInterrupt):
    """The program's own."""


def _fail(*_: Any) -> Any:
    raise ValueError(SECRET)


DOORS: dict[str, tuple[Callable[[Redactor], Any], Any]] = {
    "text": (lambda by: by.text(SECRET), REDACTED),
    "name": (lambda by: by.name(SECRET), REDACTED),
    "value": (lambda by: by.value({"n": 1, "a": SECRET}), REDACTED),
    "attributes": (
        lambda by: by.attributes({"n": 1, "flujo.run_id": "r1", "a": SECRET, SECRET: 1}),
        {"n": 1, "flujo.run_id": "r1", "a": REDACTED, REDACTED: REDACTED},
    ),
    "encoded": (lambda by: by.encoded({"a": SECRET}, json.dumps), f'"{REDACTED}"'),
    "named": (lambda by: by.named("a", SECRET), REDACTED),
    "beginning": (lambda by: by.beginning(SECRET, 9), (REDACTED, 0)),
    "beginning of much": (lambda by: by.beginning(LONG, 9), (REDACTED, 0)),
    "hides": (lambda by: by.hides(SECRET, "x"), True),
    "hides beside": (lambda by: by.hides("value", "x", {"name": SECRET}), True),
    "asks beside": (lambda by: by.asks_beside(SECRET), False),
    "name beginning": (lambda by: by.name_beginning(LONG, 9), (REDACTED, 0)),
}


@pytest.fixture
def redactor(monkeypatch: pytest.MonkeyPatch) -> Redactor:
    """One with a rule that fails."""
    by = Redactor()
    by.attributes(dict.fromkeys(("n", "a", "name", "value", "flujo.run_id"), 1))
    monkeypatch.setattr(text, "redact_looks", _fail)
    return by


@pytest.mark.parametrize("door", DOORS)
def test_it_gives_no_secret_and_is_counted(
    door: str, redactor: Redactor, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    call, expected = DOORS[door]
    assert expected == call(redactor)
    assert faults()["redacting"] >= 1
    call(redactor)
    [said] = [entry.getMessage() for entry in caplog.records]
    assert "ValueError in _fail, line" in said
    assert SECRET not in said


@pytest.mark.parametrize("door", DOORS)
def test_it_is_raised_where_the_variable_says_so(door: str, redactor: Redactor) -> None:
    with pytest.raises(ValueError, match=SECRET):
        DOORS[door][0](redactor)


@pytest.mark.parametrize("door", DOORS)
def test_what_is_the_program_s_passes(
    door: str, redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")

    def stop(_: str) -> str:
        raise Stop

    monkeypatch.setattr(text, "redact_looks", stop)
    with pytest.raises(Stop):
        DOORS[door][0](redactor)
    assert "redacting" not in faults()


def test_what_cannot_be_encoded_is_told() -> None:
    with pytest.raises(TypeError):
        Redactor().encoded(object(), json.dumps)


def test_a_fault_inside_a_document_is_no_secret_of_ours(redactor: Redactor) -> None:
    with pytest.raises(ValueError, match=SECRET):
        redactor.text(json.dumps({"a": 1, "value": SECRET, "name": "password"}))


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("123-456", f"'{REDACTED}'"),
        ("2024-01-01", f"'{REDACTED}'"),
        ("10.0.0.1", f"'{REDACTED}'"),
        ("1e", "1e"),
        ("1-2", "1-2"),
        ("12", "12"),
        ("1e3", f"'{REDACTED}'"),
        ("482913", f"'{REDACTED}'"),
    ],
)
def test_what_begins_as_a_number_may_be_none(literal: str, expected: str) -> None:
    assert f"failed for {{'otp': {expected}}}" == Redactor().text(
        f"failed for {{'otp': {literal}}}"
    )
