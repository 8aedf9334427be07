"""configure(redact=...): off, or with a function of one's own, in a program of its own."""

from pathlib import Path

import pytest

from support.programs import losses, query, run

pytest.importorskip("pydantic", reason="needs X-Ray: pip install .[xray]")

PROGRAM = """
import flujo_otel

def shouts(text):
    return text.replace("ann", "[NAME]")

def fails(text):
    raise RuntimeError(text)

flujo_otel.configure(flujo=False, redact={redact})
flujo_otel.configure(flujo=False)
with flujo_otel.XRay().trace("t") as trace, trace.step("s") as step:
    step.set_input({{"user": "ann", "password": "hunter2"}})
"""


def recorded(tmp_path: Path, redact: str, **variables: str) -> str:
    db = tmp_path / "otel.db"
    run(db, PROGRAM.format(redact=redact), prelude="", **variables)
    [(text,)] = query(
        db, "SELECT json_extract(attributes, '$.\"input.value\"') FROM spans WHERE name = 's'"
    )
    return str(text)


def test_it_is_on_by_default(tmp_path: Path) -> None:
    assert '{"user": "ann", "password": "[REDACTED]"}' == recorded(tmp_path, "None")


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    assert '{"user": "ann", "password": "hunter2"}' == recorded(tmp_path, "False")


def test_a_variable_turns_it_off(tmp_path: Path) -> None:
    found = recorded(tmp_path, "None", FLUJO_OTEL_REDACT="0")
    assert '{"user": "ann", "password": "hunter2"}' == found


def test_a_function_has_the_last_word(tmp_path: Path) -> None:
    assert '{"user": "[NAME]", "password": "[REDACTED]"}' == recorded(tmp_path, "shouts")


def test_patterns_of_ones_own_leave_json_what_it_is(tmp_path: Path) -> None:
    """Of X-Ray, and of JSON inside it; one that eats all that is no space beside what it wants."""
    rules = {"FLUJO_OTEL_REDACT_PATTERNS": r"\S*ann\S*"}
    assert '{"user": "[REDACTED]", "password": "[REDACTED]"}' == recorded(tmp_path, "None", **rules)


def test_one_that_fails_breaks_nothing_and_is_counted(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    run(db, PROGRAM.format(redact="fails"), prelude="", FLUJO_OTEL_RAISE="0")
    raw = db.read_bytes()
    assert (True, False, False) == (b"[REDACTED]" in raw, b"hunter2" in raw, b'"ann"' in raw)
    assert losses(db)["fault"] > 0
