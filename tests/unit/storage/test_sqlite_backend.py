"""SQLiteBackend: what it refuses, what it leaves alone, and that it never holds the loop up."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OTLPSpan

from flujo_otel.errors import ForeignDatabase, MalformedTrace, StoreUnavailable
from flujo_otel.model import Batch
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.factory import open_reader, open_writer
from flujo_otel.storage.sqlite import SQLiteBackend
from flujo_otel.wire import message
from support.records import FROM_COLUMNS, record

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = {
    "step_run_id": "run-1:0",
    "run_id": "run-1",
    "step_name": "s",
    "step_index": 0,
    "start_time": START,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def backend(path: Path) -> SQLiteBackend:
    return SQLiteBackend(path)


def node(span_id: str, *children: Any, **more: Any) -> dict[str, Any]:
    given = {"name": f"name-{span_id}", "start_time": 1.0, "end_time": 2.0, "status": "completed"}
    return {"span_id": span_id, **given, "children": list(children), **more}


def table(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


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


MALFORMED: list[tuple[str, Any, str]] = [
    ("a list", [node("a")], "trace is list"),
    ("nothing", {}, "trace has no span_id"),
    ("no dict", None, "trace is NoneType None; it must be a dict"),
    ("no name", {"span_id": "a"}, "trace has no name"),
    ("a child that is text", node("a", node("b"), "c"), r"trace.children\[1\] is str 'c'"),
    ("children that are a dict", node("a", children={"b": 1}), "trace.children is dict"),
    ("a child without an id", node("a", node("b", {"name": "x"})), r"children\[0\] has no span_id"),
    ("an id twice", node("a", node("b"), node("b")), r"children\[1\]: span_id 'b' occurs twice"),
    ("a time that is text", node("a", start_time="now"), "start_time is str 'now'"),
    ("a time that is no number", node("a", end_time=float("nan")), "end_time is nan"),
    ("a time before 1970", node("a", start_time=-1.0), "it must be seconds of Unix time"),
    ("a time in nanoseconds", node("a", start_time=1e18), "it must be seconds of Unix time"),
    ("attributes that are a list", node("a", attributes=[1]), "attributes is list"),
]


class TestMalformedData:
    @pytest.mark.parametrize(("_", "trace", "says"), MALFORMED, ids=[m[0] for m in MALFORMED])
    async def test_a_trace_is_refused_where_it_is_wrong_and_the_one_before_it_stays(
        self, backend: SQLiteBackend, path: Path, _: str, trace: Any, says: str
    ) -> None:
        await backend.save_run_start({"run_id": "run-1", "start_time": START})
        await backend.save_trace("run-1", node("old", node("child")))
        everything = "SELECT * FROM spans ORDER BY rowid"
        before = table(path, everything), table(path, "SELECT * FROM runs")
        with pytest.raises(MalformedTrace, match=says):
            await backend.save_trace("run-1", trace)
        assert (table(path, everything), table(path, "SELECT * FROM runs")) == before

    async def test_a_tree_that_contains_itself_is_refused(self, backend: SQLiteBackend) -> None:
        trace = node("a", node("b"))
        trace["children"][0]["children"].append(trace)
        with pytest.raises(MalformedTrace, match=r"trace.children\[0\].children\[0\] is trace"):
            await backend.save_trace("run-1", trace)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"step_run_id": None}, "step_run_id is None"),
            ({"run_id": ""}, "run_id is ''"),
            ({"step_name": 3}, "step_name is 3"),
            ({"step_index": "0"}, "step_index is '0'"),
            ({"step_index": 1 << 63}, "it must be a whole number"),
            ({"start_time": None}, "no start_time"),
            ({"start_time": "soon"}, "start_time is 'soon'"),
            ({"cost": "1 $"}, "cost is '1 \\$'"),
            ({"cost": float("nan")}, "cost is nan"),
            ({"tokens": 1 << 63}, "below 2\\*\\*63"),
        ],
    )
    async def test_a_step_is_refused_by_its_key(
        self, backend: SQLiteBackend, change: Mapping[str, Any], says: str
    ) -> None:
        with pytest.raises(MalformedTrace, match=says):
            await backend.save_step_result({**STEP, **change})
        assert await backend.list_run_steps("run-1") == []

    @pytest.mark.parametrize("data", [{}, {"run_id": 3}, {"run_id": "r", "start_time": 3}])
    async def test_a_run_is_refused_without_an_id_or_a_time(
        self, backend: SQLiteBackend, data: Mapping[str, Any]
    ) -> None:
        with pytest.raises(MalformedTrace):
            await backend.save_run_start(data)


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


class TestIds:
    async def test_ids_of_any_form_are_answered_as_given_even_where_two_runs_share_them(
        self, backend: SQLiteBackend
    ) -> None:
        trace = node("test-123", node("0a9c2b6e-5b0e-4b7e-9d8f-0c1d2e3f4a5b"), node("x/1"))
        for run_id in ("run-1", "run-2"):
            await backend.save_run_start({"run_id": run_id})
            await backend.save_trace(run_id, trace)
        for run_id in ("run-1", "run-2"):
            spans = await backend.get_spans(run_id)
            assert [(span["span_id"], span["parent_span_id"]) for span in spans] == [
                ("test-123", None),
                ("0a9c2b6e-5b0e-4b7e-9d8f-0c1d2e3f4a5b", "test-123"),
                ("x/1", "test-123"),
            ]
            found = await backend.get_trace(run_id)
            assert found is not None
            assert [len(found["children"]), found["span_id"]] == [2, "test-123"]

    async def test_the_otlp_form_has_valid_ids_that_agree_within_the_trace(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        child = node("00f067aa0ba902b7", status="failed", attributes={"a": [1, "x"]})
        await backend.save_trace("run-1", node("test-123", child))
        rows = table(path, f"SELECT {', '.join(FROM_COLUMNS)} FROM spans ORDER BY rowid")
        root, leaf = (
            OTLPSpan.FromString(message.of_columns(**dict(zip(FROM_COLUMNS, row, strict=True))))
            for row in rows
        )
        assert (len(root.trace_id), len(root.span_id)) == (16, 8)
        assert (leaf.trace_id, leaf.parent_span_id) == (root.trace_id, root.span_id)
        assert leaf.span_id.hex() == "00f067aa0ba902b7"
        assert (leaf.start_time_unix_nano, leaf.end_time_unix_nano) == (10**9, 2 * 10**9)
        assert (leaf.name, leaf.kind, leaf.status.code) == ("name-00f067aa0ba902b7", 1, 2)
        assert [each.key for each in leaf.attributes] == ["a"]


class TestValues:
    async def test_numbers_that_are_not_finite_become_text_so_that_json_extract_works(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        numbers = {"n": float("nan"), "p": float("inf"), "m": float("-inf")}
        await backend.save_run_start({"run_id": "run-1"})
        await backend.save_trace("run-1", node("r", attributes=numbers))
        await backend.save_run_end("run-1", {"final_context": numbers})
        written = {"n": "NaN", "p": "Infinity", "m": "-Infinity"}
        assert table(path, "SELECT json_extract(attributes, '$.n') FROM spans") == [("NaN",)]
        details = await backend.get_run_details("run-1")
        assert details is not None
        assert details["final_context"] == written

    async def test_lone_surrogates_and_values_that_contain_themselves_are_kept_in_some_form(
        self, backend: SQLiteBackend
    ) -> None:
        circle: list[Any] = []
        circle.append(circle)
        odd = {"\ud800": "\udfff", "circle": circle}
        await backend.save_step_result({**STEP, "step_name": "a\ud800", "input": odd})
        await backend.save_trace("run-1", node("i\ud800", attributes=odd))
        [step] = await backend.list_run_steps("run-1")
        assert step["input"]["\ud800"] == "\udfff"
        assert step["step_name"] == "a\\ud800"
        [span] = await backend.get_spans("run-1")
        assert span["attributes"]["\\ud800"] == "\\udfff"

    async def test_a_property_that_raises_spoils_its_own_value_only(
        self, backend: SQLiteBackend
    ) -> None:
        class Trap:
            def model_dump(self) -> None:
                raise RuntimeError("trap")

        await backend.save_step_result({**STEP, "input": [1, Trap()]})
        [step] = await backend.list_run_steps("run-1")
        assert step["input"] == [1, "<Trap: RuntimeError>"]

    async def test_a_tree_of_any_depth_comes_back_whole(self, backend: SQLiteBackend) -> None:
        trace = leaf = node("0")
        for number in range(1, 3000):
            leaf["children"] = [node(str(number))]
            leaf = leaf["children"][0]
        await backend.save_trace("run-1", trace)
        found = await backend.get_trace("run-1")
        ids = []
        while found is not None:
            ids.append(found["span_id"])
            found = found["children"][0] if found["children"] else None
        assert ids == [str(number) for number in range(3000)]

    async def test_text_that_is_no_json_is_answered_as_it_is(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        cut = json.dumps({"input.value": '{"cut'})
        step = record(1, name="s", role=1, attributes=cut, run_id="run-1")
        with closing(open_writer(path)) as writer:
            writer.write(Batch([step]))
        [found] = await backend.list_run_steps("run-1")
        assert found["input"] == '{"cut'


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


async def test_whatever_cannot_be_stored_is_said_to_be_malformed(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    await backend.save_run_start({"run_id": "r"})
    step = {"step_run_id": "a", "run_id": "r", "step_name": "s", "step_index": 0}
    for call in (
        lambda: backend.save_step_result({**step, "start_time": datetime.max, "cost": 10**400}),
        lambda: backend.save_run_start(None),  # type: ignore[arg-type]
        lambda: backend.get_trace("\udc80"),
        lambda: backend.get_spans("r", 5, [1]),  # type: ignore[arg-type]
        lambda: backend.get_span_statistics(None, (float("nan"), 1e30)),
    ):
        with pytest.raises(MalformedTrace):
            await call()
