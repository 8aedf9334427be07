"""Your own rules: settings, variables, a callback; and no rules at all."""

import json
import logging
from pathlib import Path

import pytest

from flujo_otel import guard, redaction, settings
from flujo_otel.errors import SettingsError
from flujo_otel.redaction import OPTIONS, REDACTED, Options, Redactor, options_of, redactor


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    monkeypatch.chdir(tmp_path)
    redaction.use(None)
    yield tmp_path
    redaction.use(None)


def toml(folder: Path, text: str) -> None:
    (folder / "flujo.toml").write_text(f"[redaction]\n{text}\n", encoding="utf-8")


def test_it_is_on_with_nothing_set() -> None:
    assert Options() == options_of(settings.load())
    assert REDACTED == redactor().text("ghp_" + "a1" * 18)


def test_own_keys_are_read_word_by_word() -> None:
    rules = Redactor(keys=["member id"])
    assert rules.attributes({"app.memberId": "x", "MEMBER-ID": "y", "member": "z"}) == {
        "app.memberId": REDACTED,
        "MEMBER-ID": REDACTED,
        "member": "z",
    }
    assert '{"member_id": "[REDACTED]"}' == rules.text('{"member_id": "17"}')


def test_own_patterns_are_applied_everywhere() -> None:
    rules = Redactor(patterns=["EMP-[0-9]+"])
    assert "of [REDACTED]!" == rules.text("of EMP-17!")
    assert {"a": [REDACTED]} == rules.value({"a": ["EMP-2"]})


def test_names_are_not_for_patterns_and_a_callback() -> None:
    """Nothing would be found under its name again."""
    for rules in (Redactor(patterns=["."]), Redactor(callback=lambda _: "x")):
        assert ["input.value"] == list(rules.attributes({"input.value": "y"}))
        assert ["a"] == list(rules.value({"a": "y"}))
        assert ["a"] == list(json.loads(rules.text('{"a": "y"}')))


def test_flujo_toml_says_them(folder: Path) -> None:
    toml(folder, 'keys = ["ssn"]\npatterns = ["EMP-[0-9]+"]')
    assert {"ssn": REDACTED, "a": REDACTED} == redactor().attributes({"ssn": "1", "a": "EMP-1"})


def test_variables_go_before_flujo_toml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml(folder, 'keys = ["ssn"]\nenabled = true')
    monkeypatch.setenv("FLUJO_OTEL_REDACT_KEYS", "member_id, badge")
    monkeypatch.setenv("FLUJO_OTEL_REDACT_PATTERNS", "A+B\nC, D")
    monkeypatch.setenv("FLUJO_OTEL_REDACT_RECEIVED", "yes")
    assert Options(True, ("member_id", "badge"), ("A+B", "C, D"), True) == options_of(
        settings.load()
    )


def test_turned_off_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUJO_OTEL_REDACT", "0")
    assert {"password": "x"} == redactor().attributes({"password": "x"})
    assert "password=x" == redactor().text("password=x")
    assert {"password": "x"} == redactor().value({"password": "x"})
    assert ("password=x", 0) == redactor().beginning("password=x", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('patterns = ["("]', "("),
        ('patterns = ["a*"]', "empty text"),
        ("keys = 1", "a list of names"),
        ("enabled = 3", "true or false"),
        ("kees = []", "No setting 'kees'"),
    ],
)
def test_a_value_that_cannot_be_used_is_said(folder: Path, text: str, words: str) -> None:
    toml(folder, text)
    with pytest.raises(SettingsError) as caught:
        options_of(settings.load())
    assert words in str(caught.value)


def test_with_settings_that_cannot_be_used_our_rules_hold(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(guard.RAISE_VARIABLE)
    toml(folder, "keys = 1")
    with caplog.at_level(logging.WARNING, "flujo_otel"):
        assert {"password": REDACTED} == redactor().attributes({"password": "x"})
    assert "a list of names" in caplog.text


def test_a_callback_has_the_last_word() -> None:
    rules = Redactor(callback=lambda text: text.replace("ann", "[NAME]"))
    assert "[NAME]: [REDACTED]" == rules.text("ann: " + "ghp_" + "a1" * 18)
    assert {"a": ["[NAME]"], "b": 1} == rules.value({"a": ["ann"], "b": 1})


def fails(text: str) -> str:
    raise RuntimeError(text)


@pytest.mark.parametrize("callback", [fails, lambda text: None, lambda text: text.encode()])
def test_a_callback_that_fails_breaks_nothing_leaks_nothing_and_is_counted(
    callback: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(guard.RAISE_VARIABLE)
    before = guard.faults().get("the redaction callback", 0)
    rules = Redactor(callback=callback)  # type: ignore[arg-type]
    assert REDACTED == rules.text("ann's address")
    assert guard.faults()["the redaction callback"] == before + 1
    assert "ann's address" not in caplog.text


def test_what_the_first_said_holds() -> None:
    first, second = Redactor(keys=["a"]), Redactor(keys=["b"])
    redaction.settle(first)
    redaction.settle(second)
    assert first is redactor()
