"""What a command exits with, and what it calls that in JSON: both are for programs to rely on."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from unit.cli.lens import answer, document
from unit.cli.scenes import a_span, store


@pytest.fixture
def files(here: Path) -> None:
    runs = [a_span(n, "x", n, n + 1, role=Role.RUN_ROOT, run_id=f"run-{n}") for n in (1, 2)]
    store(here / "flujo_otel.db", runs)
    with closing(sqlite3.connect(here / "theirs.db")) as connection:
        connection.execute("CREATE TABLE precious (x)")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("trace", "run-1"), 0, None),
        (("trace", "nope"), 1, "no_such_run"),
        (("trace", "run-"), 1, "ambiguous_run"),
        (("show", "run-1", "--step", "nope"), 1, "no_such_step"),
        (("list", "--limit", "0"), 2, "usage"),
        (("list", "--since", "soon"), 2, "usage"),
        (("list", "--db", "postgres://h/x"), 2, "bad_setting"),
        (("list", "--db", "nowhere.db"), 3, "no_database"),
        (("list", "--db", "theirs.db"), 3, "foreign_database"),
    ],
)
def test_exit_codes(
    files: None,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    word: str | None,
) -> None:
    exited, found = document(capsys, *arguments)
    assert (code, word) == (exited, found.get("error", {}).get("code"))
    exited, _, said = answer(capsys, *arguments)
    assert (code, code != 0) == (exited, bool(said))


def test_a_setting_that_cannot_be_used_is_an_error_of_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_FLUSH_INTERVAL", "soon")
    code, found = document(capsys, "list")
    assert (2, "bad_setting") == (code, found["error"]["code"])


def test_flujos_own_database_is_not_what_was_asked_for_by_another_name(
    flujos_own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = document(capsys, "list", "--db", "nowhere.db")
    assert (3, "no_database") == (code, found["error"]["code"])
