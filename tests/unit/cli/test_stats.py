"""`lens stats` on a real store."""

from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from unit.cli.lens import answer, document
from unit.cli.scenes import a_span, store


def test_stats(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "stats", "--hours", "900000", "--sort", "count")
    assert found["statistics"][0]["name"] == "up"
    assert answer(capsys, "stats", "--hours", "900000")[1].startswith("SPAN")


def test_stats_of_an_unknown_pipeline_name_those_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "stats", "--pipeline", "nope")[1]
    assert out == "No run of a pipeline 'nope'. There are: support-triage.\n"


def test_a_name_of_a_megabyte_is_cut_in_a_pipe_too(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "n" * 1_000_000
    store(here / "flujo_otel.db", [a_span(1, name, 0, 9, role=Role.RUN_ROOT)])
    _, out, _ = answer(capsys, "stats", "--hours", "100000")
    assert f"{'n' * 200}...   " in out and "n" * 201 not in out
