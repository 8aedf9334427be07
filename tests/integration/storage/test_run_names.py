"""A name that says nothing never takes the place of one that does; a run gone on with is seen."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel import SQLiteBackend
from flujo_otel.spanstore.factory import open_reader, open_run_log
from flujo_otel.storage import state_rows

SCRIPT = """
import asyncio, warnings
warnings.simplefilter("ignore")
import flujo_otel
flujo_otel.configure("traces.db")
from flujo import Flujo, Pipeline, Step

async def work(value):
    return value + 1

async def main():
    backend = flujo_otel.SQLiteBackend("traces.db")
    steps = [Step.from_callable(work, name="work")]
    runner = Flujo(Pipeline(steps=steps), pipeline_name="qa", state_backend=backend)
    async for _ in runner.run_async(1, run_id="run-1"):
        pass

asyncio.run(main())
"""


@pytest.mark.parametrize("said_later", ["unknown", ""])
async def test_a_run_that_is_handed_in_once_more_keeps_its_name(
    tmp_path: Path, said_later: str
) -> None:
    async with SQLiteBackend(tmp_path / "traces.db") as backend:
        await backend.save_run_start({"run_id": "run-1", "pipeline_name": "qa"})
        await backend.save_run_start({"run_id": "run-1", "pipeline_name": said_later})
        details = await backend.get_run_details("run-1")
        assert details is not None
        assert details["pipeline_name"] == "qa"
        await backend.save_run_start({"run_id": "run-1", "pipeline_name": "better"})
        details = await backend.get_run_details("run-1")
        assert details is not None
        assert details["pipeline_name"] == "better"


@pytest.mark.parametrize("said_later", ["unknown", ""])
@pytest.mark.parametrize("first_new_entry", [0, 1])
def test_a_state_that_is_saved_without_a_name_later_keeps_its_name(
    tmp_path: Path, said_later: str, first_new_entry: int
) -> None:
    states = open_run_log(tmp_path / "traces.db").states
    now = "2026-01-01T00:00:05+00:00"
    for name, first in (("qa", 0), (said_later, first_new_entry), ("better", first_new_entry)):
        given = {
            "pipeline_id": "p",
            "pipeline_name": name,
            "pipeline_version": "1",
            "current_step_index": 1,
            "pipeline_context": {},
            "status": "running",
            "created_at": now,
            "updated_at": now,
        }
        history = state_rows.History.of(['{"name": "work"}'] * (first + 1), first)
        states.save_state(*state_rows.to_row("run-1", given, history), history.entries, first)
        state = states.state("run-1")
        assert state is not None
        assert ("qa" if name == said_later else name) == state.pipeline_name


@pytest.mark.flujo
def test_a_traced_run_that_flujo_begins_again_under_its_id_keeps_its_name(tmp_path: Path) -> None:
    pytest.importorskip("flujo", reason="it is about the real flujo")
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True, capture_output=True
        )
        with closing(open_reader(tmp_path / "traces.db")) as reader:
            run = reader.get_run("run-1")
            assert run is not None
            assert (run.pipeline_name, run.status) == ("qa", "completed")


@pytest.mark.flujo
def test_lens_run_shows_a_run_that_was_there_already(tmp_path: Path) -> None:
    pytest.importorskip("flujo", reason="it is about the real flujo")
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    lens = [str(Path(sys.executable).with_name("lens")), "run", "--db", "traces.db", "--"]
    for _ in range(2):
        done = subprocess.run(
            [*lens, sys.executable, str(script)],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        assert "made no run" not in done.stderr
        assert "qa" in done.stderr
