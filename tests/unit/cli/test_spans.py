"""`lens spans` on a real store."""

from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from unit.cli.lens import answer, document, on_a_terminal
from unit.cli.scenes import a_span, store


def test_spans_filtered(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "spans", "last", "--status", "completed", "--name", "up")
    assert [span["name"] for span in found["spans"]] == ["up", "up", "up"]


def test_a_parent_s_id_gives_way_before_a_name_does(here: Path) -> None:
    names = ["détecter la langue du texte", "embed the chunks and store them"]
    spans = [a_span(1, "app", 0, 9, role=Role.RUN_ROOT)]
    spans += [a_span(number, name, 0, 1, 1) for number, name in enumerate(names, 2)]
    store(here / "flujo_otel.db", spans)
    out = on_a_terminal("spans", COLUMNS="80", NO_COLOR="1")
    assert all(f"  {name}  " in out for name in names)
    assert "No room here for PARENT." in out


def test_a_span_without_a_name_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(here / "flujo_otel.db", [a_span(1, "", 0, 9, role=Role.RUN_ROOT)])
    assert "   (no name)   " in answer(capsys, "spans")[1]
