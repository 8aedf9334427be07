"""`lens spans` on a real store."""

from pathlib import Path

import pytest

from unit.cli.lens import document


def test_spans_filtered(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "spans", "last", "--status", "completed", "--name", "up")
    assert [span["name"] for span in found["spans"]] == ["up", "up", "up"]
