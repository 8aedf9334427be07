"""What flujo has our backend keep of a pipeline in a step: it is a run to flujo alone."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from flujo_otel import SQLiteBackend
from flujo_otel.model import Batch
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import RunFilter, TraceReader
from flujo_otel.spanstore.factory import open_reader, open_writer
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel_cli.command_line import call
from support.records import record

TREE = {"span_id": "r", "name": "pipeline_root", "start_time": 1_700_000_000.0}


def listed(reader: TraceReader, where: RunFilter) -> tuple[set[str], int]:
    return {run.run_id for run in reader.list_runs(where, 9)}, reader.count_runs(where)


async def kept(folder: Path) -> Path:
    """A file with the run `outer`, a step of which is `inner`, and the run `other`."""
    path = folder / "traces.db"
    nested = json.dumps({"flujo.nested.run_id": "inner"})
    with closing(open_writer(path)) as writer:
        outer = record(1, name="pipeline_run", run_id="outer", role=Role.RUN_ROOT)
        inner = record(2, 1, name="pipeline_run", run_id="outer", attributes=nested)
        writer.write(Batch([outer, inner]))
    async with SQLiteBackend(path) as backend:
        for run_id in ("inner", "other"):
            await backend.save_run_start({"run_id": run_id, "pipeline_name": "unknown"})
            await backend.save_run_end(run_id, {"status": "completed"})
            await backend.save_trace(run_id, TREE)
    return path


async def test_it_is_not_listed_beside_the_run_that_it_is_in(tmp_path: Path) -> None:
    path = await kept(tmp_path)
    with closing(open_reader(path)) as reader:
        assert listed(reader, RunFilter()) == ({"outer", "other"}, 2)
        assert listed(reader, RunFilter(nested=True)) == ({"outer", "other", "inner"}, 3)
        assert reader.get_run("inner") is not None


async def test_it_goes_with_what_is_deleted_by_its_age(tmp_path: Path) -> None:
    path = await kept(tmp_path)
    assert call(["delete", "--before", "0s", "--yes", "--db", str(path)]) == 0
    with closing(open_reader(path)) as reader:
        assert listed(reader, RunFilter(nested=True)) == (set(), 0)


async def test_it_is_not_counted_beside_the_run_that_it_is_in_where_others_are_inside_runs(
    tmp_path: Path,
) -> None:
    path = await kept(tmp_path)
    with closing(open_writer(path)) as writer:
        writer.write(Batch([record(3, 2, name="agent", run_id="within", role=Role.RUN_ROOT)]))
    with closing(open_reader(path)) as reader:
        where = RunFilter(outermost=True)
        assert listed(reader, where) == ({"outer", "other"}, 2)
        assert (2, None) == tuple(reader.count_quickly(where, most) for most in (2, 1))
        assert listed(reader, RunFilter()) == ({"outer", "other", "within"}, 3)


def nested(first: int, last: int, path: Path) -> None:
    """Runs with a pipeline in a step each, which flujo has our backend keep as a run too."""
    outer, inner = [], []
    for n in range(first, last):
        trace = {"trace_id": f"{n:032x}", "name": "pipeline_run", "run_id": f"outer-{n}"}
        outer.append(record(2 * n, role=Role.RUN_ROOT, **trace))
        attributes = json.dumps({"flujo.nested.run_id": f"inner-{n}"})
        inner.append(record(2 * n + 1, 2 * n, attributes=attributes, **trace))
    with closing(open_writer(path)) as writer:
        writer.write(Batch([*outer, *inner]))
    with closing(sqlite3.connect(path)) as connection:
        for span in inner:
            run_id = json.loads(span.attributes)["flujo.nested.run_id"]
            connection.execute(
                "INSERT INTO runs (run_id, pipeline_name, pipeline_version, status, start_time,"
                " start_time_ns) VALUES (?, 'unknown', 'latest', 'completed', '', ?)",
                (run_id, span.start_time_ns),
            )
            connection.execute("INSERT INTO trees VALUES (?)", (run_id,))
        connection.commit()


def test_the_newest_runs_cost_no_look_at_what_was_nested_in_all_that_went_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "traces.db"
    asked: list[int] = []
    for first, last in ((0, 1_500), (1_500, 6_000)):
        nested(first, last, path)
        steps = iter(range(1_000_000))
        reader = SQLiteTraceReader(path)
        reader._connection.set_progress_handler(lambda steps=steps: next(steps) < 0, 100)
        runs = [run.run_id for run in reader.list_runs(RunFilter(outermost=True), 20)]
        assert runs == [f"outer-{n}" for n in range(last - 1, last - 21, -1)]
        asked.append(next(steps))
        assert reader.count_runs(RunFilter()) == reader.count_quickly(RunFilter(), last) == last
        reader.close()
    assert asked[1] < 1.1 * asked[0]
