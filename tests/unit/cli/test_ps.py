"""`lens ps` and `lens hung`: what is open, whose it is, and for how long."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from flujo_otel.query import activity
from unit.cli.lens import answer, document, on_a_terminal
from unit.cli.scenes import a_span, store
from unit.spanstore.test_merged import FLUJOS_TABLES

OPEN = """
import sys, time
import flujo_otel
flujo_otel.configure()
from opentelemetry import trace
tracer = trace.get_tracer("t")
with tracer.start_as_current_span("root"), tracer.start_as_current_span("climb"):
    items = [tracer.start_span(f"item {number}") for number in range(int(sys.argv[1]))]
    trace.get_tracer_provider().force_flush()
    print("on", flush=True)
    sys.stdin.readline()
    [item.end() for item in items]
"""


@contextmanager
def program(items: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the middle of its work."""
    with subprocess.Popen(
        [sys.executable, "-c", OPEN, str(items)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"on\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_run_in_the_middle_shows_its_process_and_its_open_spans_as_a_tree(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with program(2) as child:
        code, out, _ = answer(capsys, "ps")
    heading, run, *spans, footer = out.splitlines()
    assert (code, heading.split()) == (0, ["RUN", "PIPELINE", "STATUS", "FOR", "PROCESS"])
    assert "root" in run and "● running" in run and f"(pid {child.pid} on " in run
    assert [span.rpartition("  ")[0] for span in spans] == [
        "  ● climb",
        "    ● item 0",
        "    ● item 1",
    ]
    assert footer == "1 running"


def test_many_equal_open_spans_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with program(30):
        out = answer(capsys, "ps")[1]
    assert "    ● item * ×30  " in out


def test_a_run_whose_process_is_gone_is_marked_and_does_not_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with program() as child:
        child.kill()
        child.wait()
        code, out, _ = answer(capsys, "ps")
        found = document(capsys, "ps")[1]
    assert code == 0
    assert "✝ died" in out and "  ✝ climb  " in out and out.endswith("0 running · 1 died\n")
    assert (found["running"], found["died_earlier"]) == (0, 0)
    assert [run["status"] for run in found["runs"]] == ["died"]


def test_what_died_long_ago_is_counted_and_shown_when_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with program() as child:
        child.kill()
        child.wait()
    monkeypatch.setattr("flujo_otel_cli.activity.DIED_WITHIN_NS", 0)
    assert answer(capsys, "ps")[1] == "0 running · 1 died over an hour ago: --all\n"
    assert "✝ died" in answer(capsys, "ps", "--all")[1]


def test_of_much_that_died_the_newest_is_shown_and_the_rest_counted(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flujo_otel.query.activity.MOST_DIED", 1)
    monkeypatch.setattr("flujo_otel.query.activity.MOST_OPEN_SPANS", 3)
    for _ in range(3):
        with program(1) as child:
            child.kill()
            child.wait()
    _, out, _ = answer(capsys, "ps", "--all")
    assert out.count("✝ died") == 1 and "    ✝ item 0" in out
    assert out.endswith("0 running · 1 died · 2 more died before · 6 older open spans not shown\n")
    found = document(capsys, "ps", "--all")[1]
    assert (found["died_earlier"], found["more_open_spans"]) == (2, 6)


def test_what_is_over_is_not_shown(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "ps") == (0, "0 running\n", "")
    nothing = {"running": 0, "died_earlier": 0, "more_open_spans": 0, "paused": 0, "runs": []}
    assert document(capsys, "ps")[1] == nothing


def test_who_waits_for_a_human_is_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paused = a_span(1, "pipeline_run", 0, 9, status="paused", role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [paused])
    assert answer(capsys, "ps")[1] == (
        "0 running\n1 paused run waits for a human: lens list --status paused\n"
    )
    assert document(capsys, "ps")[1]["paused"] == 1


def test_who_went_on_without_saying_so_waits_no_more(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paused = a_span(1, "pipeline_run", 0, 9, status="paused", role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [paused, a_span(2, "publish", 900, 910, 1)])
    assert answer(capsys, "ps")[1] == "0 running\n"
    assert document(capsys, "ps")[1]["paused"] == 0


def test_the_open_spans_are_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    with program(1):
        _, found = document(capsys, "ps")
    [run] = found["runs"]
    assert run["status"] == "running"
    assert [span["name"] for span in run["open_spans"]] == ["root", "climb", "item 0"]


def test_what_hangs_is_told_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with program():
        assert answer(capsys, "hung", "--over", "1h") == (0, "0 open for over 1h\n", "")
        code, out, _ = answer(capsys, "hung", "--over", "1ms")
        assert code == 1
        assert "● climb" in out and out.endswith("1 open for over 1ms\n")
        code, found = document(capsys, "hung", "--over", "1ms")
        assert (code, found["hung"], found["over_ns"]) == (1, 1, 1_000_000)


def test_what_died_hangs_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    with program() as child:
        child.kill()
        child.wait()
        code, out, _ = answer(capsys, "hung", "--over", "1ms")
    assert code == 0
    assert "✝ died" in out and out.endswith("0 open for over 1ms · 1 died\n")


def test_a_length_of_time_that_is_none(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "hung", "--over", "soon")
    assert (code, found["error"]["code"]) == (2, "usage")


def test_a_narrow_dumb_terminal(here: Path) -> None:
    with program():
        text = on_a_terminal("ps", TERM="dumb", COLUMNS="40")
    lines = text.splitlines()
    assert text.isascii() and all(len(line) <= 40 for line in lines)
    assert lines[2].startswith("  .. climb")


def test_a_run_of_flujo_s_own_is_shown_but_nobody_knows_whether_it_hangs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(here / "flujo_ops.db")) as connection:
        connection.executescript(FLUJOS_TABLES)
        connection.execute(
            "INSERT INTO runs (run_id, pipeline_name, pipeline_version, status, start_time)"
            " VALUES ('run_a', 'old', '1', 'running', '2025-01-01T00:00:00')"
        )
        connection.commit()
    code, out, _ = answer(capsys, "ps")
    assert (code, "run_a   old 1      ● running" in out) == (0, True)
    assert answer(capsys, "hung") == (0, "0 open for over 30s\n", "")


def test_of_many_that_run_the_newest_are_looked_at_and_all_are_counted(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MOST_LIVING", 2)
    monkeypatch.setattr(activity, "MOST_OPEN_SPANS", 2)
    running = [
        a_span(n, f"run {n}", n, None, role=Role.RUN_ROOT, run_id=f"run-{n}") for n in range(1, 6)
    ]
    store(here / "flujo_otel.db", running[:3])
    store(here / "flujo_otel.db", running[3:])
    _, out, _ = answer(capsys, "ps")
    said = "5 running · the newest 2 shown · 3 older open spans not shown\n"
    assert out.endswith(said)
    assert 5 == document(capsys, "ps")[1]["running"]
    assert 5 == document(capsys, "hung", "--over", "1s")[1]["hung"]
