"""What the backend does where the database, or the event loop, keeps it waiting."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.storage.sqlite import SQLiteBackend


def start(run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "start_time": datetime(2026, 11, 21)}


def ran(program: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_a_file_that_somebody_writes_just_now_is_waited_for(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    asyncio.run(SQLiteBackend(db).save_run_start(start("first")))
    other = sqlite3.connect(db, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, other.execute, ["COMMIT"])
    release.start()
    try:
        begun = time.monotonic()
        asyncio.run(SQLiteBackend(db).save_run_start(start("second")))
        assert time.monotonic() - begun > 0.3
    finally:
        release.join()
        other.close()
    with closing(sqlite3.connect(db)) as reader:
        assert reader.execute("SELECT COUNT(*) FROM runs").fetchone() == (2,)


def step(run_id: str, index: int) -> dict[str, Any]:
    return {
        "step_run_id": f"{run_id}:{index}",
        "run_id": run_id,
        "step_name": f"s{index}",
        "step_index": index,
        "start_time": datetime(2026, 11, 21),
    }


def state(run_id: str) -> dict[str, Any]:
    now = datetime(2026, 11, 21)
    return {
        "pipeline_id": "p",
        "pipeline_name": "p",
        "pipeline_version": "1",
        "status": "running",
        "pipeline_context": {},
        "created_at": now,
        "updated_at": now,
        "run_id": run_id,
    }


def test_records_are_written_though_the_loop_before_was_simply_left(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    backend = SQLiteBackend(db)

    async def work(run_id: str) -> None:
        await backend.save_run_start(start(run_id))
        await backend.save_state(run_id, state(run_id))
        await backend.save_step_result(step(run_id, 0))

    left = asyncio.new_event_loop()
    left.run_until_complete(work("one"))  # its timer never comes: nobody runs this loop again
    count = 0

    async def work_on() -> None:
        nonlocal count
        await work("two")
        for _ in range(200):
            await asyncio.sleep(0.02)
            with closing(sqlite3.connect(db)) as reader:
                count = reader.execute("SELECT COUNT(*) FROM steps").fetchone()[0]
            if count == 2:
                return

    asyncio.run(work_on())
    left.close()
    assert count == 2


async def test_one_thread_waits_for_a_locked_database_not_one_for_each_try(tmp_path: Path) -> None:
    """They are the program's too, and few."""
    db = tmp_path / "runs.db"
    backend = SQLiteBackend(db)
    await backend.save_run_start(start("r"))
    await backend.save_state("r", state("r"))
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = threading.active_count()
        for number in range(30):
            await backend.save_step_result(step("r", number))
            await asyncio.sleep(0.03)
        assert threading.active_count() <= before + 1
        other.execute("COMMIT")
    assert len(await backend.list_run_steps("r")) == 30
    await backend.close()


@pytest.mark.parametrize("ruin", ["b'no database at all'", "None"])
def test_an_exit_that_cannot_write_says_one_line(tmp_path: Path, ruin: str) -> None:
    program = f"""
import asyncio, os
from datetime import datetime
from pathlib import Path
from flujo_otel.storage.sqlite import SQLiteBackend
moment = datetime(2026, 11, 21)
db = Path("runs.db")
backend = SQLiteBackend(db)
async def work():
    await backend.save_run_start({{"run_id": "r", "start_time": moment}})
    await backend.save_state("r", {state("r")!r})
    await backend.save_step_result({step("r", 0)!r})
asyncio.run(work())
ruin = {ruin}
for each in Path.cwd().glob("runs.db*"):
    each.unlink()
if ruin is None:
    db.mkdir()
else:
    db.write_bytes(ruin)
""".replace("datetime.datetime(", "datetime(")
    done = ran(program, tmp_path)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "1 records of steps are lost: " in done.stderr


async def test_a_state_whose_saver_was_cancelled_never_replaces_the_next(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    async with SQLiteBackend(db) as backend:
        await backend.save_state("one", state("one"))
        with closing(sqlite3.connect(db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            older = state("one") | {"current_step_index": 1}
            cancelled = asyncio.create_task(backend.save_state("one", older))
            await asyncio.sleep(0.05)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
        await backend.save_state("one", state("one") | {"status": "failed"})
        await asyncio.sleep(0.1)  # longer than its thread rests, which waits for the database
        loaded = await backend.load_state("one")
    assert loaded is not None
    assert (loaded["status"], loaded["current_step_index"]) == ("failed", 0)


def test_records_outlast_a_loop_that_ends_while_its_threads_are_busy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    db = tmp_path / "runs.db"
    backend = SQLiteBackend(db)

    async def work() -> None:
        await backend.save_run_start(start("one"))
        await backend.save_state("one", state("one"))
        await backend.save_step_result(step("one", 0))
        # asyncio.run waits for it, and lets no other thread begin, when the record is due
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.3)

    asyncio.run(work())
    assert caplog.text == ""
    backend.close_sync()
    with closing(sqlite3.connect(db)) as reader:
        assert reader.execute("SELECT step_run_id FROM steps").fetchall() == [("one:0",)]


def test_a_thread_that_outlives_the_main_one_can_save(tmp_path: Path) -> None:
    program = """
import asyncio, threading, time
from datetime import datetime
from flujo_otel import SQLiteBackend

async def work():
    while threading.main_thread().is_alive():
        await asyncio.sleep(0.01)
    async with SQLiteBackend("runs.db") as backend:
        await backend.save_run_start({"run_id": "one", "start_time": datetime(2026, 11, 21)})
        print((await backend.get_run_details("one"))["status"])

threading.Thread(target=lambda: asyncio.run(work())).start()
"""
    done = ran(program, tmp_path)
    assert (done.stdout, done.stderr) == ("running\n", "")
