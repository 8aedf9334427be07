"""Our runs and flujo's own as one; a run in both is shown once, from ours."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flujo_otel.errors import NoDatabase
from flujo_otel.model import Batch, SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.settings import load
from flujo_otel.spanstore.api import RunFilter, SpanHints, TraceReader
from flujo_otel.spanstore.factory import open_maintenance, open_reader, open_writer
from flujo_otel.spanstore.flujo import times

SECOND = 10**9
STATUSES = ("completed", "failed", "paused")
PIPELINES = ("one", "two")

FLUJOS_TABLES = """
CREATE TABLE workflow_state (run_id TEXT PRIMARY KEY);
CREATE TABLE runs (run_id TEXT PRIMARY KEY, pipeline_name TEXT NOT NULL,
    pipeline_version TEXT NOT NULL, status TEXT NOT NULL, start_time TEXT NOT NULL, end_time TEXT,
    total_cost REAL, final_context_blob TEXT);
CREATE TABLE steps (step_run_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, step_name TEXT NOT NULL,
    step_index INTEGER NOT NULL, status TEXT NOT NULL, start_time TEXT NOT NULL, end_time TEXT,
    duration_ms INTEGER, cost REAL, tokens INTEGER, input_blob TEXT, output_blob TEXT,
    error_blob TEXT);
CREATE TABLE spans (span_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, parent_span_id TEXT,
    name TEXT NOT NULL, start_time REAL NOT NULL, end_time REAL, status TEXT, attributes TEXT);
"""


class Given(NamedTuple):
    """A run as both files are filled from it."""

    run_id: str
    pipeline: str
    status: str
    second: int


def root(run: Given) -> SpanRecord:
    return SpanRecord(
        trace_id=f"trace-{run.run_id}",
        otel_span_id=f"span-{run.run_id}",
        otel_parent_id=None,
        name="pipeline_run",
        kind=1,
        start_time_ns=run.second * SECOND,
        end_time_ns=run.second * SECOND + 5,
        status=run.status,
        status_message=None,
        attributes=json.dumps({"flujo.pipeline.name": run.pipeline}),
        events=None,
        links=None,
        resource_id=0,
        scope_id=0,
        run_id=run.run_id,
        role=Role.RUN_ROOT,
        cost_usd=None,
        tokens=None,
        flags=0,
        status_code=0,
        otlp=None,
    )


@contextmanager
def both(
    ours: list[Given], flujos: list[Given], more: Sequence[SpanRecord] = ()
) -> Iterator[TraceReader]:
    """A folder with a file of each, opened as `lens` opens it; `more` spans of ours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = open_writer(folder / "flujo_otel.db")
        writer.write(Batch([*(root(run) for run in ours), *more]))
        writer.close()
        with closing(sqlite3.connect(folder / "flujo_ops.db")) as connection:
            connection.executescript(FLUJOS_TABLES)
            for run in flujos:
                start = times.to_iso(run.second * SECOND)
                connection.execute(
                    "INSERT INTO runs VALUES (?, ?, 'latest', ?, ?, ?, NULL, NULL)",
                    (run.run_id, run.pipeline, run.status, start, start),
                )
            connection.commit()
        uri = f"sqlite:///{folder}/flujo_ops.db"
        reader = open_reader(settings=load(db=folder / "flujo_otel.db", state_uri=uri))
        try:
            yield reader
        finally:
            reader.close()


@st.composite
def files(draw: st.DrawFn) -> tuple[list[Given], list[Given]]:
    """Runs of distinct starts in either file or in both, there perhaps with another status."""
    seconds = draw(st.lists(st.integers(1, 10_000), unique=True, max_size=25))
    ours, flujos = [], []
    for second in seconds:
        run_id = f"{draw(st.sampled_from('ab'))}{second}"
        pipeline = draw(st.sampled_from(PIPELINES))
        where = draw(st.sampled_from(("ours", "flujos", "both")))
        status, other = draw(st.sampled_from(STATUSES)), draw(st.sampled_from(STATUSES))
        if where != "flujos":
            ours.append(Given(run_id, pipeline, status, second))
        if where != "ours":
            flujos.append(Given(run_id, pipeline, other, second))
    return ours, flujos


def united(ours: list[Given], flujos: list[Given]) -> list[Given]:
    known = {run.run_id for run in ours}
    runs = [*ours, *(run for run in flujos if run.run_id not in known)]
    return sorted(runs, key=lambda run: -run.second)


@settings(deadline=None, max_examples=60)
@given(
    files(),
    st.none() | st.sampled_from(STATUSES),
    st.none() | st.sampled_from(PIPELINES),
    st.none() | st.integers(0, 10_000),
    st.integers(0, 30),
)
def test_a_list_is_the_newest_of_both_files_with_each_run_once(
    files: tuple[list[Given], list[Given]],
    status: str | None,
    pipeline: str | None,
    since: int | None,
    limit: int,
) -> None:
    expected = [
        run
        for run in united(*files)
        if status in (None, run.status)
        and pipeline in (None, run.pipeline)
        and (since is None or run.second >= since)
    ]
    where = RunFilter(status, pipeline, None if since is None else since * SECOND)
    with both(*files) as reader:
        listed = [
            Given(run.run_id, run.pipeline_name, run.status, run.start_time_ns // SECOND)
            for run in reader.list_runs(where, limit)
        ]
        assert (listed, reader.count_runs(where)) == (expected[:limit], len(expected))


@settings(deadline=None, max_examples=30)
@given(files())
def test_the_shortest_unique_prefix_names_its_run_alone_over_both_files(
    files: tuple[list[Given], list[Given]],
) -> None:
    with both(*files) as reader:
        lengths = reader.unique_prefixes([run.run_id for run in united(*files)])
        for run in united(*files):
            prefix = run.run_id[: lengths[run.run_id]]
            others = [other.run_id for other in united(*files) if other.run_id.startswith(prefix)]
            found = [each.run_id for each in reader.runs_with_prefix(prefix, 30)]
            assert found == others
            assert others == [run.run_id] or prefix == run.run_id


def test_a_run_comes_with_its_spans_from_the_file_that_it_is_shown_from() -> None:
    shared = Given("both", "one", "failed", 5)
    own = Given("flujo-only", "two", "completed", 6)
    with both([shared], [shared, own]) as reader:
        assert [span.name for span in reader.spans("both")] == ["pipeline_run"]
        assert list(reader.spans("flujo-only")) == []
        run, other = reader.get_run("both"), reader.get_run("flujo-only")
        assert run is not None
        assert other is not None
        assert run.origin is None
        assert other.origin is not None
        assert reader.known_runs(["both", "flujo-only", "neither"]) == {"both", "flujo-only"}
        of_all = reader.candidates(["both", "flujo-only", "neither"], SpanHints())
        assert [span.run_id for span in of_all] == ["both"]


def test_a_pipeline_in_a_step_is_no_run_of_its_own_though_flujo_lists_it_as_one() -> None:
    outer = Given("outer", "two", "completed", 5)
    inner, other = Given("inner", "one", "completed", 6), Given("other", "one", "failed", 4)
    nested = root(outer)._replace(
        otel_span_id="nested",
        otel_parent_id=root(outer).otel_span_id,
        attributes=json.dumps({"flujo.nested.run_id": "inner"}),
        role=Role.PLAIN,
    )
    with both([outer], [outer, inner, other], [nested]) as reader:
        assert [run.run_id for run in reader.list_runs(RunFilter(), 2)] == ["outer", "other"]
        assert reader.count_runs(RunFilter()) == 2
        assert [run.run_id for run in reader.runs_with_prefix("in", 2)] == ["inner"]
        assert reader.get_run("inner") is not None


def test_the_outermost_of_both_files_are_listed_and_an_inner_one_is_not_told_by_flujo() -> None:
    outer, older = Given("outer", "one", "completed", 5), Given("older", "two", "failed", 1)
    inner, alone = Given("inner", "two", "failed", 6), Given("alone", "two", "completed", 3)
    within = root(inner)._replace(
        trace_id=root(outer).trace_id, otel_parent_id=root(outer).otel_span_id
    )
    with both([outer, older], [outer, inner, alone, older], [within]) as reader:
        outermost = RunFilter(outermost=True)
        assert [run.run_id for run in reader.list_runs(outermost, 2)] == ["outer", "alone"]
        assert reader.count_runs(outermost) == reader.count_quickly(outermost, 3) == 3
        assert reader.count_quickly(outermost, 1) is None
        failed = [run.run_id for run in reader.list_runs(outermost._replace(status="failed"), 9)]
        assert failed == ["inner", "older"]
        assert [each.run_id for each in reader.inner_runs([within.trace_id])] == ["inner"]


def test_where_there_is_neither_file_reading_says_where_it_looked_and_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for open_it in (open_reader, open_maintenance):
        with pytest.raises(NoDatabase) as caught:
            open_it("absent.db")
        assert str(caught.value) == (
            f"No database here (looked for {tmp_path}/absent.db, named by argument)."
        )
    assert list(tmp_path.iterdir()) == []
