"""SQLiteBackend: its file, what it leaves alone, and that it never holds the loop up."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.errors import ForeignDatabase, StoreUnavailable
from flujo_otel.model import Batch
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.factory import open_reader, open_writer
from flujo_otel.storage.sqlite import SQLiteBackend
from support.handed_in import START, STEP, node, table
from support.records import record


class TestWhichFile:
    def test_a_path_a_text_and_a_uri_name_the_same_file(self, path: Path) -> None:
        backends = [SQLiteBackend(given) for given in (path, str(path), f"sqlite:///{path}")]
        assert [backend.path for backend in backends] == [path] * 3

    def test_without_one_the_settings_name_it(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUJO_OTEL_DB", str(path))
        assert SQLiteBackend().path == path

    async def test_it_is_made_by_the_first_write_with_its_folders_and_never_by_reading(
        self, tmp_path: Path
    ) -> None:
        backend = SQLiteBackend(tmp_path / "new" / "traces.db")
        assert await backend.get_trace("run-1") is None
        assert await backend.delete_run("run-1") is None
        assert list(tmp_path.iterdir()) == []
        await backend.save_run_start({"run_id": "run-1"})
        assert backend.path.stat().st_mode & 0o777 == 0o600

    async def test_a_file_of_another_program_is_refused_and_stays_as_it_is(
        self, path: Path, backend: SQLiteBackend
    ) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE recipes (x)")
        before = path.read_bytes()
        with pytest.raises(ForeignDatabase):
            await backend.save_run_start({"run_id": "run-1"})
        with pytest.raises(ForeignDatabase):
            await backend.get_trace("run-1")
        assert path.read_bytes() == before

    def test_it_works_where_flujo_and_pydantic_are_not_installed(self, path: Path) -> None:
        script = (
            "import asyncio, sys\n"
            "sys.modules['flujo'] = sys.modules['pydantic'] = None\n"
            "from flujo_otel.storage.sqlite import SQLiteBackend\n"
            "asyncio.run(SQLiteBackend(sys.argv[1]).save_run_start({'run_id': 'r'}))\n"
        )
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
        assert table(path, "SELECT run_id, pipeline_name, status FROM runs") == [
            ("r", "unknown", "running")
        ]


class TestBesideOpenTelemetrySpans:
    """They are all rows of the same tables."""

    async def test_saving_a_trace_leaves_the_runs_own_spans_alone(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        with closing(open_writer(path)) as writer:
            writer.write(Batch([record(1, 9, run_id="run-1"), record(2, 1, run_id="run-1")]))
        await backend.save_trace("run-1", node("r", node("c")))
        await backend.save_trace("run-1", node("r2"))
        names = [span["name"] for span in await backend.get_spans("run-1")]
        assert names == ["name-r2", "span-1", "span-2"]
        assert table(path, "SELECT span_count, running_count FROM runs") == [(3, 0)]

    async def test_a_saved_trace_is_left_out_where_the_runs_own_root_is_there(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        await backend.save_run_start({"run_id": "run-1", "start_time": START})
        with closing(open_writer(path)) as writer:
            writer.write(Batch([record(1, run_id="run-1"), record(2, 1, run_id="run-1")]))
        await backend.save_trace("run-1", node("r", node("c")))
        names = [span["name"] for span in await backend.get_spans("run-1")]
        assert names == ["span-1", "span-2"]
        assert table(path, "SELECT span_count FROM runs") == [(2,)]

    @pytest.mark.parametrize("is_started", [False, True])
    async def test_a_saved_trace_gives_way_to_the_runs_own_root(
        self, backend: SQLiteBackend, path: Path, is_started: bool
    ) -> None:
        if is_started:
            await backend.save_run_start({"run_id": "run-1", "start_time": START})
        root, child = record(1, run_id="run-1"), record(2, 1, run_id="run-1")
        tree = node(root.otel_span_id, node(child.otel_span_id, status="failed"))
        await backend.save_trace("run-1", tree)
        with closing(open_writer(path)) as writer:
            writer.write(Batch([child]))
            writer.write(Batch([root]))
        spans = await backend.get_spans("run-1")
        assert [(span["name"], span["span_id"]) for span in spans] == [
            ("span-1", root.otel_span_id),
            ("span-2", child.otel_span_id),
        ]
        counts = "SELECT span_count, error_count, running_count, start_time_ns FROM runs"
        start_ns = min(
            root.start_time_ns, int(START.timestamp()) * 10**9 if is_started else 1 << 62
        )
        assert table(path, counts) == [(2, 0, 0, start_ns)]
        assert table(path, "SELECT * FROM trees") == []

    async def test_what_it_saves_is_read_as_any_run(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        await backend.save_run_start(
            {"run_id": "run-1", "pipeline_name": "p", "start_time": START, "status": "running"}
        )
        await backend.save_step_result({**STEP, "duration_ms": 5, "output": {"a": 1}})
        await backend.save_trace("run-1", node("r", node("c", status="failed"), status="failed"))
        await backend.save_run_end(
            "run-1", {"status": "failed", "end_time": START, "total_cost": 0.5}
        )
        with closing(open_reader(path)) as reader:
            [run] = reader.list_runs(RunFilter(), 5)
            steps = reader.steps("run-1")
            spans = list(reader.spans("run-1"))
        start_ns = int(START.timestamp()) * 10**9
        assert (run.pipeline_name, run.status, run.start_time_ns, run.total_cost_usd) == (
            "p",
            "failed",
            start_ns,
            0.5,
        )
        assert (run.span_count, run.error_count) == (2, 2)
        assert [(s.step_name, s.start_time_ns, s.output) for s in steps] == [
            ("s", start_ns, '{"a": 1}')
        ]
        assert [(s.otel_span_id, s.otel_parent_id) for s in spans] == [("r", None), ("c", "r")]

    async def test_a_run_that_was_only_traced_is_answered_too(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        root = record(1, name="pipeline_run", attributes='{"flujo.pipeline.name": "traced"}')
        with closing(open_writer(path)) as writer:
            writer.write(Batch([root, record(2, 1, status="failed")]))
        details = await backend.get_run_details(root.trace_id)
        trace = await backend.get_trace(root.trace_id)
        assert details is not None
        assert trace is not None
        assert (details["pipeline_name"], details["status"]) == ("traced", "completed")
        assert (trace["name"], [child["status"] for child in trace["children"]]) == (
            "pipeline_run",
            ["failed"],
        )

    async def test_every_write_takes_a_new_change_number(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        seen = []
        for write in (
            backend.save_run_start({"run_id": "run-1"}),
            backend.save_step_result(STEP),
            backend.save_trace("run-1", node("r")),
            backend.save_run_end("run-1", {}),
        ):
            await write
            seen += [row[0] for row in table(path, "SELECT change_seq FROM runs")]
        assert seen == sorted(set(seen))


class TestTheEventLoop:
    async def test_goes_on_while_the_database_is_locked(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        await backend.save_run_start({"run_id": "run-1"})
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            saving = asyncio.create_task(backend.save_step_result(STEP))
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert not saving.done()
            other.execute("COMMIT")
        await saving
        assert len(await backend.list_run_steps("run-1")) == 1

    async def test_many_calls_at_once_all_arrive(self, backend: SQLiteBackend) -> None:
        steps = [{**STEP, "step_run_id": f"run-1:{n}", "step_index": n} for n in range(40)]
        await asyncio.gather(*(backend.save_step_result(step) for step in steps))
        found = await backend.list_run_steps("run-1")
        assert [step["step_index"] for step in found] == list(range(40))

    async def test_a_lock_that_stays_is_told_as_retryable(
        self, backend: SQLiteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from flujo_otel.spanstore.sqlite import connection

        await backend.save_run_start({"run_id": "run-1"})
        monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await backend.save_trace("run-1", node("r"))
            other.execute("ROLLBACK")
        assert await backend.get_trace("run-1") is None


async def test_a_run_whose_process_ended_before_it_is_shown_as_died(path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from flujo_otel.storage.sqlite import SQLiteBackend\n"
        "asyncio.run(SQLiteBackend(sys.argv[1]).save_run_start({'run_id': 'theirs'}))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    await SQLiteBackend(path).save_run_start({"run_id": "mine"})
    with closing(open_reader(path)) as reader:
        statuses = {run.run_id: run.status for run in reader.list_runs(RunFilter(), 5)}
    assert statuses == {"theirs": "died", "mine": "running"}


STATE_SAVED = """
import asyncio, sys
from flujo_otel.storage.sqlite import SQLiteBackend

async def main():
    backend = SQLiteBackend(sys.argv[1])
    await backend.save_run_start({"run_id": "run-1"})
    times = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00")
    names = dict.fromkeys(("pipeline_id", "pipeline_name", "pipeline_version"), "x")
    state = {"status": "running", "pipeline_context": {}, "step_history": []}
    await backend.save_state("run-1", times | names | state)

asyncio.run(main())
"""


async def test_a_run_that_goes_on_runs_in_the_process_that_saves_its_state(path: Path) -> None:
    subprocess.run([sys.executable, "-c", STATE_SAVED, str(path)], check=True)

    def listed() -> tuple[str, int, int]:
        with closing(open_reader(path)) as reader:
            [run] = reader.list_runs(RunFilter(), 5)
        [(change_seq,)] = table(path, "SELECT change_seq FROM runs")
        assert run.writer is not None
        return run.status.value, run.writer.pid, change_seq

    died = listed()
    assert died[0] == "died"
    async with SQLiteBackend(path) as backend:
        state = await backend.load_state("run-1")
        assert state is not None
        assert listed() == died, "to look at a state is not to go on from it"
        await backend.save_state("run-1", state)
        now = listed()
        assert now[:2] == ("running", os.getpid())
        assert now[2] > died[2], "whoever follows the changes is told"
        await backend.save_state("run-1", state)
        assert listed() == now


KILLED_WHILE_SAVING = """
import asyncio, sys
from flujo_otel.storage.sqlite import SQLiteBackend

def tree(kind):
    children = [{"span_id": f"{kind}-{n}", "name": kind, "start_time": 1.0} for n in range(3000)]
    return {"span_id": kind, "name": kind, "start_time": 0.5, "children": children}

async def main():
    backend = SQLiteBackend(sys.argv[1])
    await backend.save_trace("run-1", tree("a"))
    print("saved", flush=True)
    while True:
        for kind in "ba":
            await backend.save_trace("run-1", tree(kind))

asyncio.run(main())
"""


async def test_a_process_killed_while_it_saves_leaves_the_old_trace_or_the_new_one_whole(
    path: Path,
) -> None:
    for milliseconds in (20, 50, 90, 140):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WHILE_SAVING, str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            await asyncio.sleep(milliseconds / 1000)
            os.kill(child.pid, signal.SIGKILL)
        spans = await SQLiteBackend(path).get_spans("run-1")
        assert (len(spans), len({span["name"] for span in spans})) == (3001, 1)


async def test_tracing_of_sqlite3_in_the_program_sees_nothing_of_it(path: Path) -> None:
    script = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
SQLite3Instrumentor().instrument(tracer_provider=provider)

from flujo_otel.spanstore.factory import open_reader
from flujo_otel.storage.sqlite import SQLiteBackend

async def main():
    backend = SQLiteBackend(sys.argv[1])
    await backend.save_run_start({"run_id": "r"})
    await backend.save_trace("r", {"span_id": "s", "name": "n"})
    await backend.get_trace("r")

asyncio.run(main())
print(len(spans.get_finished_spans()))
"""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "0"
