"""What flujo has our backend keep of a pipeline in a step: it is a run to flujo alone."""

import json
from contextlib import closing
from pathlib import Path

from flujo_otel import SQLiteBackend
from flujo_otel.model import Batch
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import RunFilter, TraceReader
from flujo_otel.spanstore.factory import open_reader, open_writer
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
