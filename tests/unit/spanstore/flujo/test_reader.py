"""flujo's own database, read as TraceReader reads: made by the real flujo of this Python."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import RunStatus
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import RunFilter, SpanFilter, SpanHints
from flujo_otel.spanstore.flujo.reader import FlujoReader
from flujo_otel.spanstore.kind import FileKind, kind_of

pytestmark = pytest.mark.flujo

PIPELINES = """
import asyncio
from flujo import Flujo, Step, step

@step
async def double(x: str) -> str:
    return x + x

@step
async def shout(x: str) -> str:
    return x.upper()

@step
async def break_down(x: str) -> str:
    raise ValueError("sour milk")

async def main():
    for name, pipeline in (("works", double >> shout), ("breaks", double >> break_down)):
        async for _ in Flujo(pipeline, pipeline_name=name).run_async("ab"):
            pass

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """flujo_ops.db with a run that works and a later one that breaks; made between two times."""
    folder = tmp_path_factory.mktemp("flujo")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLUJO")}
    before_ns = time.time_ns()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PIPELINES],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=True,
    )
    return folder / "flujo_ops.db", before_ns, time.time_ns()


@pytest.fixture
def path(made: tuple[Path, int, int]) -> Path:
    return made[0]


@pytest.fixture
def reader(path: Path) -> FlujoReader:
    return FlujoReader(path)


def names(reader: FlujoReader, **where: Any) -> list[str]:
    return [run.pipeline_name for run in reader.list_runs(RunFilter(**where), 10)]


def test_the_file_is_known_as_flujos(path: Path) -> None:
    assert kind_of(path) is FileKind.FLUJO


def test_runs_come_newest_first_with_name_version_status_counts_and_origin(
    reader: FlujoReader, path: Path
) -> None:
    seen = [
        (
            run.pipeline_name,
            run.pipeline_version,
            run.status,
            run.span_count,
            run.error_count,
            run.origin,
        )
        for run in reader.list_runs(RunFilter(), 10)
    ]
    assert seen == [
        ("breaks", "latest", RunStatus.FAILED, 3, 2, str(path)),
        ("works", "latest", RunStatus.COMPLETED, 3, 0, str(path)),
    ]


def test_runs_are_filtered_by_status_pipeline_and_start(reader: FlujoReader) -> None:
    newest = reader.list_runs(RunFilter(), 1)[0]
    assert names(reader, status="failed") == ["breaks"]
    assert names(reader, status="completed") == ["works"]
    assert names(reader, status="died") == []
    assert names(reader, pipeline="works") == ["works"]
    assert names(reader, since_ns=newest.start_time_ns) == ["breaks"]
    assert names(reader, since_ns=newest.start_time_ns + 1000) == []
    assert reader.count_runs(RunFilter(status="failed")) == 1


def test_runs_times_are_utc_and_so_lie_where_it_ran(
    reader: FlujoReader, made: tuple[Path, int, int]
) -> None:
    _, before_ns, after_ns = made
    for run in reader.list_runs(RunFilter(), 10):
        assert run.end_time_ns is not None
        assert before_ns <= run.start_time_ns <= run.end_time_ns <= after_ns


def test_spans_times_lie_where_it_ran_whichever_clock_flujo_took(
    reader: FlujoReader, made: tuple[Path, int, int]
) -> None:
    _, before_ns, after_ns = made
    for run in reader.list_runs(RunFilter(), 10):
        for span in reader.spans(run.run_id):
            assert span.end_time_ns is not None
            assert before_ns <= span.start_time_ns <= span.end_time_ns <= after_ns


def test_a_runs_spans_are_its_tree_and_its_root_has_the_runs_status(reader: FlujoReader) -> None:
    run = reader.list_runs(RunFilter(pipeline="breaks"), 1)[0]
    spans = list(reader.spans(run.run_id))
    root = spans[0]
    seen = [
        (span.name, span.status, span.otel_parent_id, span.role, span.trace_id) for span in spans
    ]
    assert seen == [
        (root.name, "failed", None, Role.RUN_ROOT, run.run_id),
        ("double", "completed", root.otel_span_id, Role.STEP, run.run_id),
        ("break_down", "failed", root.otel_span_id, Role.STEP, run.run_id),
    ]
    assert "sour milk" in (spans[2].status_message or "")


def test_spans_are_filtered_by_name_and_status(reader: FlujoReader) -> None:
    run = reader.list_runs(RunFilter(pipeline="breaks"), 1)[0]
    by_name = reader.spans(run.run_id, SpanFilter(name="double"))
    by_both = reader.spans(run.run_id, SpanFilter(name="double", status="failed"))
    assert [span.name for span in by_name] == ["double"]
    assert list(by_both) == []


def test_spans_of_many_runs_are_looked_for_by_name_and_status(reader: FlujoReader) -> None:
    runs = [run.run_id for run in reader.list_runs(RunFilter(), 10)]
    by_name = reader.candidates([*runs, "no"], SpanHints(name="double"))
    assert sorted(span.run_id for span in by_name) == sorted(runs)
    failed = reader.candidates(runs, SpanHints(status="failed"))
    assert "break_down" in {span.name for span in failed}
    assert list(reader.candidates([], SpanHints())) == []


def test_steps_come_in_order_with_their_output(reader: FlujoReader) -> None:
    run = reader.list_runs(RunFilter(pipeline="works"), 1)[0]
    seen = [
        (step.step_run_id, step.step_name, step.status, json.loads(step.output or "null"))
        for step in reader.steps(run.run_id)
    ]
    assert seen == [
        (f"{run.run_id}:0", "double", "completed", "abab"),
        (f"{run.run_id}:1", "shout", "completed", "ABAB"),
    ]


def test_a_step_has_its_spans_times_and_input_and_what_went_wrong(reader: FlujoReader) -> None:
    run = reader.list_runs(RunFilter(pipeline="breaks"), 1)[0]
    spans = [span for span in reader.spans(run.run_id) if span.role & Role.STEP]
    steps = reader.steps(run.run_id)
    assert [(s.start_time_ns, s.end_time_ns, s.span_id) for s in steps] == [
        (s.start_time_ns, s.end_time_ns, s.span_id) for s in spans
    ]
    assert [json.loads(step.input or "null") for step in steps] == ["ab", "abab"]
    assert steps[0].error is None
    assert "sour milk" in json.loads(steps[1].error or "null")


def test_a_prefix_names_its_runs_and_the_shortest_unique_one_names_one(reader: FlujoReader) -> None:
    runs = reader.list_runs(RunFilter(), 10)
    lengths = reader.unique_prefixes([run.run_id for run in runs])
    for run in runs:
        length = lengths[run.run_id]
        assert reader.runs_with_prefix(run.run_id[:length], 10) == [run]
        assert len(reader.runs_with_prefix(run.run_id[: length - 1], 10)) > 1
    assert reader.runs_with_prefix("%", 10) == []


def test_statistics_count_ended_spans_by_name_in_the_window(
    reader: FlujoReader, made: tuple[Path, int, int]
) -> None:
    _, before_ns, after_ns = made
    found = {each.name: each for each in reader.statistics(None, before_ns, after_ns, 4)}
    assert (found["double"].count, found["double"].error_count) == (2, 0)
    assert (found["break_down"].count, found["break_down"].error_count) == (1, 1)
    assert sum(found["double"].buckets) == 2
    assert reader.statistics("works", before_ns, before_ns, 4) == []
    assert "break_down" not in {s.name for s in reader.statistics("works", None, None, 0)}
    of_roots = {s.pipeline for s in reader.statistics(None, None, None, 0)} - {None}
    never_end = sys.version_info < (3, 13)  # the roots of flujo 0.4
    assert of_roots == (set() if never_end else {"breaks", "works"})
    assert found["double"].pipeline is None


def test_an_unknown_run_has_nothing(reader: FlujoReader) -> None:
    assert (reader.get_run("no"), list(reader.spans("no")), reader.steps("no")) == (None, [], [])
    assert reader.known_runs(["no"]) == set()


def test_reading_leaves_the_file_and_its_folder_as_they_were(
    reader: FlujoReader, path: Path
) -> None:
    before = {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in path.parent.iterdir()}
    for run in reader.list_runs(RunFilter(), 10):
        list(reader.spans(run.run_id))
        reader.steps(run.run_id)
    reader.statistics(None, None, None, 4)
    after = {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in path.parent.iterdir()}
    assert after == before


def test_what_is_only_in_the_wal_of_a_writer_at_work_is_seen(tmp_path: Path, path: Path) -> None:
    copy = tmp_path / "flujo_ops.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as writer:
        source.backup(writer)
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE runs SET pipeline_name = 'renamed' WHERE pipeline_name = 'works'")
        writer.commit()
        assert names(FlujoReader(copy)) == ["breaks", "renamed"]


def test_one_attribute_that_is_no_json_spoils_nothing_else(tmp_path: Path, path: Path) -> None:
    copy = tmp_path / "flujo_ops.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("UPDATE spans SET attributes = '{\"x\": NaN' WHERE name = 'double'")
        target.commit()
    reader = FlujoReader(copy)
    run = reader.list_runs(RunFilter(pipeline="works"), 1)[0]
    assert [dict(span.attributes) for span in reader.spans(run.run_id, SpanFilter(name="double"))]
    assert names(reader) == ["breaks", "works"]


def test_a_root_that_was_ended_by_another_clock_lasted_as_long_as_its_run(
    tmp_path: Path, path: Path
) -> None:
    copy = tmp_path / "flujo_ops.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("UPDATE spans SET start_time = 2e9, end_time = 2e9 + 1, status = 'ok'")
        target.execute("UPDATE spans SET end_time = 61303.5 WHERE parent_span_id IS NULL")
        target.commit()
    reader = FlujoReader(copy)
    run = reader.list_runs(RunFilter(pipeline="works"), 1)[0]
    (root,) = [span for span in reader.spans(run.run_id) if span.otel_parent_id is None]
    assert root.end_time_ns == run.end_time_ns
    assert {each.name for each in reader.statistics(None, None, None, 0)} >= {"double", "shout"}
    assert all(each.mean_ns == 10**9 for each in reader.statistics(None, None, None, 0))


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "flujo_ops.db").write_text("no database, but long enough to look like one" * 50)
    with pytest.raises(StoreUnavailable, match=r"flujo_ops\.db cannot be read"):
        FlujoReader(tmp_path / "flujo_ops.db").list_runs(RunFilter(), 1)
