"""`lens delete` on a real store."""

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer

from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from flujo_otel.spanstore.factory import open_destinations
from support.lens import LENS
from unit.cli.lens import answer, document
from unit.cli.scenes import a_span, store
from unit.spanstore.test_merged import FLUJOS_TABLES

DAY_MS = 86_400_000


@pytest.fixture
def three(here: Path) -> Path:
    """Runs old-1, old-2 and new-1, each of a root and a step, of the pipelines p1, p2 and p1."""
    path = here / "flujo_otel.db"
    for n, (run_id, at_ms) in enumerate((("old-1", 0), ("old-2", 1000), ("new-1", DAY_MS)), 1):
        spans = [
            a_span(2 * n, flujo.PIPELINE_RUN, at_ms, at_ms + 9, role=Role.RUN_ROOT, run_id=run_id),
            a_span(2 * n + 1, "inner", at_ms, at_ms + 5, 2 * n, run_id=run_id),
        ]
        store(path, spans, **{flujo.PIPELINE_NAME: f"p{2 - n % 2}"})
    return path


def left(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [run["run_id"] for run in document(capsys, "list", "--inside")[1]["runs"]]


def flujo_has(folder: Path, run_id: str, pipeline: str) -> None:
    """A record of this run in flujo's own database."""
    with closing(sqlite3.connect(folder / "flujo_ops.db")) as connection:
        connection.executescript(FLUJOS_TABLES)
        connection.execute(
            "INSERT INTO runs (run_id, pipeline_name, pipeline_version, status, start_time)"
            " VALUES (?, ?, '1', 'completed', '2025-01-01T00:00:00')",
            (run_id, pipeline),
        )
        connection.commit()


def test_runs_go_by_name_and_the_others_stay(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = answer(capsys, "delete", "old-1", "last", "new-1", "--yes")
    assert code == 0
    assert out.startswith("Deleted 2 runs with 4 spans")
    assert left(capsys) == ["old-2"]
    with closing(sqlite3.connect(three)) as connection:
        assert connection.execute("SELECT DISTINCT run_id FROM spans").fetchall() == [("old-2",)]


@pytest.mark.parametrize(
    ("more", "expected"), [((), ["new-1"]), (("--pipeline", "p2"), ["new-1", "old-1"])]
)
def test_what_is_old_goes(
    three: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], expected: list[str]
) -> None:
    newest = document(capsys, "list")[1]["runs"][0]["start_time"]
    answer(capsys, "delete", "--before", newest, *more, "--yes")
    assert left(capsys) == expected


def test_what_is_asked_for_twice_or_not_at_all_is_refused(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ((), ("last", "--before", "1d"), ("last", "--pipeline", "p1")):
        code, _, err = answer(capsys, "delete", *arguments, "--yes")
        assert (code, "--before TIME" in err) == (2, True)
    code, _, err = answer(capsys, "delete", "--before", "soon", "--yes")
    assert (code, err.startswith("--before 'soon' is no time")) == (2, True)
    code, _, err = answer(capsys, "delete", "--before", "", "--yes")
    assert (code, err.startswith("--before '' is no time")) == (2, True)
    assert answer(capsys, "delete", "nobody", "--yes")[0] == 1
    assert len(left(capsys)) == 3


def test_a_pipeline_that_is_not_there_is_told_from_one_with_nothing_old(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "delete", "--before", "0s", "--pipeline", "p3", "--yes")
    assert out.startswith("No runs match; nothing was deleted.\nNo run of a pipeline 'p3'.")
    _, out, _ = answer(capsys, "delete", "--before", "1000w", "--pipeline", "p2", "--yes")
    assert out == "No runs match; nothing was deleted.\n"
    assert len(left(capsys)) == 3


def test_where_nobody_can_be_asked_it_wants_a_yes(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = answer(capsys, "delete", "old-1")
    assert (code, err) == (
        2,
        "1 run with 2 spans: --yes deletes them where nobody can be asked.\n",
    )
    code, found = document(capsys, "delete", "old-1")
    assert (code, found["error"]["code"]) == (2, "unconfirmed")
    assert len(left(capsys)) == 3


@pytest.mark.parametrize(
    ("typed", "said", "expected"),
    [
        ("n", "Nothing was deleted.", ["new-1", "old-2", "old-1"]),
        ("y", "Deleted 2 runs with 4 spans", ["new-1"]),
    ],
)
def test_a_person_is_asked(
    three: Path, capsys: pytest.CaptureFixture[str], typed: str, said: str, expected: list[str]
) -> None:
    with closing(open_destinations(three)) as destinations:
        destinations.join("jaeger", "http://localhost:4318", 0)
    ours, theirs = pty.openpty()
    command = [LENS, "delete", "old-1", "old-2"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        os.write(ours, f"{typed}\n".encode())
        out, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0
    assert "old-1  p1  completed\n" in out
    assert "jaeger is 6 behind: it never gets what is deleted of that." in out
    assert "Delete 2 runs with 4 spans for good? [y/N]: " in out
    assert said in out
    assert left(capsys) == expected


@pytest.fixture
def nested(here: Path) -> Path:
    """A run outer, middle in it, inner and one that runs in that."""
    path = here / "flujo_otel.db"
    runs = (("outer", None, 9000), ("middle", 1, 9000), ("inner", 3, 9000), ("runs-on", 3, None))
    spans = []
    for n, (run_id, parent, end_ms) in enumerate(runs):
        at_ms, root = n * 1000, 2 * n + 1
        spans += [
            a_span(root, run_id, at_ms, end_ms, parent, role=Role.RUN_ROOT, run_id=run_id),
            a_span(root + 1, "step", at_ms, 9000, root, run_id=run_id),
        ]
    store(path, spans)
    return path


def test_a_run_takes_along_those_inside_it_but_for_what_runs(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "delete", "outer", "inner", "--yes")
    assert out.startswith("Deleted 3 runs with 6 spans")
    assert out.endswith(" Still running, and left alone: 1 run.\n")
    assert left(capsys) == ["runs-on"]


def test_a_run_inside_another_goes_alone(nested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "delete", "inner", "--yes")[1]["deleted"] == ["inner"]
    assert left(capsys) == ["runs-on", "middle", "outer"]


def test_what_is_old_goes_by_its_own_time(nested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = next(
        r for r in document(capsys, "list", "--inside")[1]["runs"] if r["run_id"] == "middle"
    )
    _, found = document(capsys, "delete", "--before", middle["start_time"], "--yes")
    assert found["deleted"] == ["outer"]


def test_the_question_counts_the_runs_inside(
    nested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", print)
    out = answer(capsys, "delete", "outer")[1].splitlines()
    assert out == [
        "outer  app  completed",
        "2 runs inside go too: lens trace shows them there.",
        "Delete 3 runs with 6 spans for good?",
        "Nothing was deleted.",
    ]


def test_what_still_runs_stays(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = [a_span(9, "root", 0, None, role=Role.RUN_ROOT, run_id="runs-on")]
    store(three, running)
    code, _, err = answer(capsys, "delete", "runs-on", "--yes")
    assert (code, "still running" in err) == (4, True)
    _, found = document(capsys, "delete", "--before", "0s", "--yes")
    assert (len(found["deleted"]), found["still_running"]) == (3, 1)
    assert left(capsys) == ["runs-on"]


def test_flujo_s_own_database_is_left_alone(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flujo_has(three.parent, "theirs", "old")
    code, _, err = answer(capsys, "delete", "theirs", "--yes")
    assert (code, "flujo's own database" in err) == (4, True)
    _, out, _ = answer(capsys, "delete", "--before", "0s", "--yes")
    assert "lens lists those still" not in out
    assert left(capsys) == ["theirs"]


def test_what_flujo_s_own_database_has_of_a_deleted_run_is_said_to_be_there(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flujo_has(three.parent, "old-1", "p1")
    _, out, _ = answer(capsys, "delete", "old-1", "--yes")
    assert out.endswith("flujo_ops.db: lens lists those still.\n")
    assert "old-1" in left(capsys)


def test_the_file_gives_the_space_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = here / "flujo_otel.db"
    text = {"text": "x" * 4000}
    spans = [a_span(n, "s", n, n, None if n == 1 else 1, attributes=text) for n in range(1, 300)]
    store(path, spans)
    size_bytes = path.stat().st_size
    _, found = document(capsys, "delete", "last", "--yes")
    assert found["freed_bytes"] > 1_000_000
    assert path.stat().st_size == size_bytes - found["freed_bytes"]
