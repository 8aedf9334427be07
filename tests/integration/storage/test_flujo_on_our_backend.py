"""The real flujo with SQLiteBackend as its state backend: what its users see, in real processes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flujo", reason="these tests need the real flujo: pip install .[flujo]")

from flujo_otel import SQLiteBackend
from flujo_otel.spanstore.factory import open_reader
from flujo_otel.storage.flujo_version import speaks_06

pytestmark = pytest.mark.flujo
TESTS = Path(__file__).parents[2]
SECRET = "sk-live-" + "a" * 24


def program(folder: Path, *arguments: str, code: int = 0) -> list[str]:
    """What the steps of tests/support/stateful_flujo.py said."""
    done = subprocess.run(
        [sys.executable, "-m", "support.stateful_flujo", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "FLUJO_OTEL_RAISE": "1"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line.startswith(("step ", "done "))]


def table(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    folder = tmp_path / "ours"
    folder.mkdir()
    return folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kill_in", [0, 1, 3, 4])
def test_a_killed_run_goes_on_in_a_new_process_where_flujos_own_would(
    ours: Path, theirs: Path, kill_in: int
) -> None:
    said = {}
    for folder, backend in ((ours, "ours"), (theirs, "flujos")):
        killed = program(folder, backend, "--kill-in", str(kill_in), code=-signal.SIGKILL)
        said[backend] = killed + program(folder, backend)
    if speaks_06():  # flujo's own loses what the context held when a running run is killed
        assert f"total {sum(range(kill_in))}" in said["ours"][kill_in + 1]
        said = {
            name: [line.partition(" total ")[0] for line in lines] for name, lines in said.items()
        }
    assert said["ours"] == said["flujos"]
    numbers = [line.split()[1] for line in said["ours"]][:-1]
    assert numbers == [*map(str, range(kill_in + 1)), *map(str, range(kill_in, 5))]


def test_a_run_that_waits_for_a_human_goes_on_in_a_new_process(ours: Path, theirs: Path) -> None:
    said = {}
    for folder, backend in ((ours, "ours"), (theirs, "flujos")):
        asked = program(folder, backend, "--pause")
        said[backend] = asked + program(folder, backend, "--pause", "--answer", "yes")
    assert said["ours"] == said["flujos"]
    assert "step 2 got 'yes' total 1" in said["ours"]


def test_until_it_is_answered_the_run_is_paused_then_completed(ours: Path) -> None:
    program(ours, "ours", "--pause")
    statuses = (
        "SELECT runs.status, workflow_state.status FROM runs JOIN workflow_state USING (run_id)"
    )
    assert table(ours / "ours.db", statuses) == [("paused", "paused")]
    program(ours, "ours", "--pause", "--answer", "yes")
    assert table(ours / "ours.db", statuses) == [("completed", "completed")]


def test_a_run_killed_on_flujos_own_backend_goes_on_on_ours_and_its_file_stays_as_it_was(
    ours: Path,
) -> None:
    program(ours, "flujos", "--kill-in", "3", code=-signal.SIGKILL)
    state = "SELECT * FROM workflow_state"
    before = table(ours / "flujo_ops.db", state)
    said = program(ours, "ours")
    assert [line.split()[1] for line in said[:-1]] == ["3", "4"]
    assert table(ours / "flujo_ops.db", state) == before
    run = "SELECT run_id, pipeline_name, status FROM runs"
    assert table(ours / "ours.db", run) == [("run-1", "demo", "completed")]


def test_a_run_paused_on_flujos_own_backend_is_answered_on_ours(ours: Path) -> None:
    program(ours, "flujos", "--pause")
    said = program(ours, "ours", "--pause", "--answer", "yes")
    assert [line.split()[1] for line in said[:-1]] == ["2", "3", "4"]
    assert said[-1].startswith("done 6 steps total 10")


async def test_flujos_states_are_listed_until_ours_replace_them_and_stay_deleted(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id in ("a", "b"):
        program(ours, "flujos", "--pause", "--run-id", run_id)
    monkeypatch.chdir(ours)
    async with SQLiteBackend("ours.db") as backend:
        assert {each["run_id"] for each in await backend.list_workflows(status="paused")} == {
            "a",
            "b",
        }
        program(ours, "ours", "--pause", "--run-id", "a", "--answer", "yes")
        await backend.delete_state("b")
        assert await backend.load_state("b") is None
        listed = await backend.list_states()
    assert [(each["run_id"], each["status"]) for each in listed] == [("a", "completed")]
    assert len(table(ours / "flujo_ops.db", "SELECT * FROM workflow_state")) == 2


@pytest.mark.parametrize("trace", [[], ["--trace"]], ids=["alone", "traced"])
def test_a_secret_is_in_the_state_and_nowhere_else(ours: Path, trace: list[str]) -> None:
    assert program(ours, "ours", "--pause", *trace)[-1].endswith(SECRET)
    with closing(sqlite3.connect(ours / "ours.db")) as connection:
        holding = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if SECRET in repr(connection.execute(f"SELECT * FROM {name}").fetchall())
        ]
    assert set(holding) <= {"workflow_state", "workflow_history"}
    assert "workflow_state" in holding
    assert program(ours, "ours", "--pause", "--answer", "yes")[-1].endswith(SECRET)


class TestKilledBeforeItsRecordsWereWritten:
    """They are written 100 ms late; these steps take none."""

    def killed(self, folder: Path, *arguments: str, kill_in: int = 3) -> list[tuple[Any, ...]]:
        program(folder, "ours", "--kill-in", str(kill_in), *arguments, code=-signal.SIGKILL)
        return table(folder / "ours.db", "SELECT step_index FROM steps ORDER BY step_index")

    async def test_its_steps_are_listed_with_what_the_state_says_of_them(self, ours: Path) -> None:
        assert self.killed(ours) == []
        async with SQLiteBackend(ours / "ours.db") as backend:
            steps = await backend.list_run_steps("run-1")
            state = await backend.load_state("run-1")
            assert await backend.list_run_steps("run-1") == steps
        assert state is not None
        wanted = [(entry["name"], entry["output"]) for entry in state["step_history"]]
        assert [(step["step_name"], step["output"]) for step in steps] == wanted
        assert [(step["step_index"], step["status"]) for step in steps] == [
            (n, "completed") for n in range(3)
        ]
        assert [step["duration_ms"] for step in steps] == [
            int(entry["latency_s"] * 1000) for entry in state["step_history"]
        ]
        # When the earlier ones ran nobody knows; the state was saved once the last had ended.
        assert [step["start_time"] is None for step in steps] == [True, True, False]
        ended = datetime.fromisoformat(steps[2]["end_time"]).replace(tzinfo=UTC)
        assert ended.timestamp() == pytest.approx(state["updated_at"].timestamp(), abs=1e-4)

    def test_who_goes_on_with_the_run_leaves_no_gap(self, ours: Path) -> None:
        assert self.killed(ours) == []
        self.killed(ours, kill_in=4)
        program(ours, "ours")
        with closing(open_reader(ours / "ours.db")) as reader:
            steps = reader.steps("run-1")
        assert [(step.step_index, step.step_name, step.output) for step in steps] == [
            (n, f"s{n}", f'"out-{n}"') for n in range(5)
        ]
        assert {step.status for step in steps} == {"completed"}

    def test_a_step_that_was_traced_stays_one(self, ours: Path) -> None:
        self.killed(ours, "--trace")
        program(ours, "ours", "--trace")
        with closing(open_reader(ours / "ours.db")) as reader:
            steps = reader.steps("run-1")
            spans = {span.name: span.span_id for span in reader.spans("run-1")}
        assert [(step.step_index, step.step_name) for step in steps] == [
            (n, f"s{n}") for n in range(5)
        ]
        assert all(step.span_id == spans.get(step.step_name) for step in steps)
        assert {step.status for step in steps} == {"completed"}


class TestNothingIsStoredTwice:
    def test_traced_and_kept_a_run_is_one_run_with_its_steps_once_and_its_spans_once(
        self, ours: Path
    ) -> None:
        program(ours, "ours", "--trace")
        path = ours / "ours.db"
        with closing(open_reader(path)) as reader:
            run = reader.get_run("run-1")
            spans = [span.name for span in reader.spans("run-1")]
            steps = reader.steps("run-1")
        assert table(path, "SELECT run_id FROM runs") == [("run-1",)]
        assert run is not None
        assert (run.pipeline_name, run.status, run.span_count) == ("demo", "completed", 6)
        assert spans == ["pipeline_run", "s0", "s1", "s2", "s3", "s4"]
        assert [(step.step_name, step.step_index, step.status) for step in steps] == [
            (f"s{n}", n, "completed") for n in range(5)
        ]
        # The span's own: flujo's record has no input, and one time for start and end.
        assert [json.loads(step.input or "null") for step in steps] == [
            "go",
            *(f"out-{n}" for n in range(4)),
        ]
        assert all(step.span_id for step in steps)
        assert table(path, "SELECT COUNT(*) FROM trees") == [(0,)]

    def test_untraced_the_backend_alone_fills_runs_steps_and_spans(self, ours: Path) -> None:
        program(ours, "ours")
        with closing(open_reader(ours / "ours.db")) as reader:
            run = reader.get_run("run-1")
            spans = [span.name for span in reader.spans("run-1")]
            steps = [(step.step_name, step.output) for step in reader.steps("run-1")]
        assert run is not None
        assert (run.pipeline_name, run.status) == ("demo", "completed")
        assert spans[1:] == ["s0", "s1", "s2", "s3", "s4"]
        assert steps == [(f"s{n}", f'"out-{n}"') for n in range(5)]

    async def test_deleting_a_run_takes_its_state_along(self, ours: Path) -> None:
        program(ours, "ours", "--trace")
        async with SQLiteBackend(ours / "ours.db") as backend:
            await backend.persist_evaluation("run-1", 0.5)
            await backend.delete_run("run-1")
            assert await backend.load_state("run-1") is None
        left = ("runs", "steps", "spans", "workflow_state", "workflow_history", "evaluations")
        counts = [table(ours / "ours.db", f"SELECT COUNT(*) FROM {name}") for name in left]
        assert counts == [[(0,)]] * len(left)


CONCURRENT = """
import asyncio, sys, warnings
warnings.simplefilter("ignore")
from flujo import Flujo, Pipeline, Step
from flujo_otel import SQLiteBackend

async def work(value):
    await asyncio.sleep(0.001)
    return value + 1

async def main():
    backend = SQLiteBackend("ours.db")
    pipeline = Pipeline(steps=[Step.from_callable(work, name=f"s{n}") for n in range(8)])
    async def one(number):
        runner = Flujo(pipeline, state_backend=backend, pipeline_name="many")
        async for result in runner.run_async(number * 100, run_id=f"run-{number}"):
            pass
        return result.step_history[-1].output
    assert await asyncio.gather(*map(one, range(20))) == [n * 100 + 8 for n in range(20)]

asyncio.run(main())
"""


def test_concurrent_runs_are_all_kept_whole(ours: Path) -> None:
    subprocess.run([sys.executable, "-c", CONCURRENT], cwd=ours, check=True, capture_output=True)
    path = ours / "ours.db"
    assert table(path, "SELECT status, COUNT(*) FROM runs GROUP BY 1") == [("completed", 20)]
    assert table(path, "SELECT COUNT(*), COUNT(DISTINCT run_id) FROM steps") == [(160, 20)]
    assert table(path, "SELECT DISTINCT status, current_step_index >= 8 FROM workflow_state") == [
        ("completed", 1)
    ]
    histories = "SELECT run_id, COUNT(*) FROM workflow_history GROUP BY run_id"
    assert {count for _, count in table(path, histories)} == {8}


DEFAULT = """
import sys, warnings
warnings.simplefilter("ignore")
import flujo_otel
from flujo_otel import FlujoInstrumentor
{how}
from flujo import Flujo, Pipeline, Step
from flujo.state.backends.memory import InMemoryBackend

async def work(value):
    return value + 1

step = Step.from_callable(work, name="s")
runner = Flujo(Pipeline(steps=[step]), pipeline_name="demo")
tree = runner.run(1).trace_tree
assert tree.span_id != tree.children[0].span_id, "also where nothing makes spans"
memory = InMemoryBackend()
assert Flujo(Pipeline(steps=[step]), state_backend=memory).state_backend is memory
print(type(runner.state_backend).__module__)
"""


@pytest.mark.parametrize(
    ("how", "variables", "replaced"),
    [
        ("FlujoInstrumentor(replace_default_backend=True).instrument()", {}, True),
        ("FlujoInstrumentor().instrument(replace_default_backend=True)", {}, True),
        ("FlujoInstrumentor().instrument()", {}, False),
        ("flujo_otel.configure(replace_default_backend=True)", {}, True),
        ("flujo_otel.configure()", {"FLUJO_OTEL_REPLACE_DEFAULT_BACKEND": "1"}, True),
        ("flujo_otel.configure()", {}, False),
    ],
)
def test_it_becomes_the_default_of_runners_that_are_given_none(
    ours: Path, how: str, variables: dict[str, str], replaced: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DEFAULT.format(how=how)],
        cwd=ours,
        env=os.environ | {"FLUJO_OTEL_RAISE": "1"} | variables,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    module = done.stdout.splitlines()[-1]
    assert module.startswith("flujo_otel.") == replaced
    assert (ours / "flujo_ops.db").exists() != replaced
    if replaced:
        runs = table(ours / "flujo_otel.db", "SELECT pipeline_name, status FROM runs")
        assert runs == [("demo", "completed")]


def test_a_pipeline_in_a_traced_step_is_no_second_run(ours: Path) -> None:
    script = """
import asyncio, warnings
warnings.simplefilter("ignore")
import flujo_otel
flujo_otel.configure("ours.db")
from flujo import Flujo, Pipeline, Step
backend = flujo_otel.SQLiteBackend("ours.db")
async def work(value):
    return value
inner = Flujo(Pipeline(steps=[Step.from_callable(work, name="inner")]), state_backend=backend)
step = inner.as_step("nested", inherit_context=False)
runner = Flujo(Pipeline(steps=[step]), state_backend=backend, pipeline_name="outer")
async def main():
    async for _ in runner.run_async("x", run_id="run-1"):
        pass
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", script], cwd=ours, check=True, capture_output=True)
    path = ours / "ours.db"
    assert table(path, "SELECT run_id, pipeline_name FROM runs") == [("run-1", "outer")]
    steps = table(path, "SELECT run_id, step_name FROM steps ORDER BY step_index")
    assert steps == [("run-1", "nested"), ("run-1", "inner")]
