"""`lens show` on a real store."""

from pathlib import Path

import pytest

from unit.cli.lens import answer, document


def test_show(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show")
    assert code == 0
    assert out.startswith("╭─ support-triage 1.2  ✘ failed ─")
    assert 'final context  {"n": 3}' in out


def test_show_one_step_with_its_exception(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show", "last", "--step", "answer")
    assert code == 0
    assert "exception  ValueError: sour milk\n  at /srv/app.py:41 in answer" in out
    assert answer(capsys, "show", "last", "--step", "10")[1] == out


def test_an_unknown_step_names_the_steps_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = document(capsys, "show", "last", "--step", "nope")
    assert (code, found["error"]["code"]) == (1, "no_such_step")
    assert "classify" in found["error"]["steps"]


def test_show_of_a_run_without_steps_has_its_error_and_its_top_level_spans(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show")
    assert out.partition("╯\n")[2].splitlines() == [
        "sender  service.name=app",
        "ValueError: sour",
        "at /srv/app.py:41 in answer",
        "✘ GET /orders  900 ms",
        "✔ SELECT  300 ms  db.system=sqlite  rows=3",
        "✘ render  600 ms",
        "lens trace 7f3a91c2 --attributes",
    ]


def test_show_opens_a_span_of_a_run_without_steps(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show", "last", "--step", "render")
    assert out.startswith("✘ render  600 ms\nexception  ValueError: sour\n  at /srv/app.py:41")
    assert "\nevents\n" in out and "\nattributes" not in out  # it has none
    assert "\nattributes\n" in answer(capsys, "show", "last", "--step", "SELECT")[1]
    code, found = document(capsys, "show", "last", "--step", "SELECT")
    assert (code, [span["name"] for span in found["spans"]]) == (0, ["SELECT"])
    code, found = document(capsys, "show", "last", "--step", "nope")
    assert (code, found["error"]["spans"][:2]) == (1, ["GET /orders", "SELECT"])


def test_show_says_who_sent_the_run(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "╯\nsender  service.name=app\n" in answer(capsys, "show")[1]
    assert '\nsender\n  {\n    "service.name": "app"\n  }\n' in answer(capsys, "show", "--full")[1]
    assert document(capsys, "show")[1]["resource"] == {"service.name": "app"}
    assert "│ root     GET /orders" in answer(capsys, "show")[1]
