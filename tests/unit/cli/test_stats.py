"""`lens stats` on a real store."""

from pathlib import Path

import pytest

from unit.cli.lens import answer, document


def test_stats(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "stats", "--hours", "900000", "--sort", "count")
    assert found["statistics"][0]["name"] == "up"
    assert answer(capsys, "stats", "--hours", "900000")[1].startswith("SPAN")


def test_stats_of_an_unknown_pipeline_name_those_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "stats", "--pipeline", "nope")[1]
    assert out == "No run of a pipeline 'nope'. There are: support-triage.\n"
