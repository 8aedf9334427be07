"""fork() with the backend's connection open: SQLite's locks belong to one process alone."""

import asyncio
import os
import signal
import sqlite3
import threading
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flujo_otel import SQLiteBackend
from flujo_otel.errors import StoreUnavailable
from flujo_otel.storage.late_steps import LateSteps

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def forked(body: Callable[[], None]) -> int:
    """The exit code of a child that does `body` and nothing else."""
    child = os.fork()
    if child == 0:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start(backend: SQLiteBackend, run_id: str) -> None:
    asyncio.run(backend.save_run_start({"run_id": run_id, "pipeline_name": "demo"}))


def test_both_sides_of_a_fork_write_over_the_backend_that_was_open(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    backend = SQLiteBackend(path)
    start(backend, "before")
    for number in range(3):
        assert forked(lambda n=number: start(backend, f"child-{n}")) == 0  # type: ignore[misc]
        start(backend, f"parent-{number}")
    backend.close_sync()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT run_id FROM runs JOIN writers USING (writer_id)")
        assert {run_id for (run_id,) in rows} == {
            "before",
            *(f"{who}-{n}" for who in ("child", "parent") for n in range(3)),
        }
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        pids = connection.execute("SELECT COUNT(DISTINCT pid) FROM writers").fetchone()
        assert pids == (4,)


def test_a_child_has_none_of_the_late_records_of_its_parent_and_does_not_wait_for_them() -> None:
    writing, go_on, written = threading.Event(), threading.Event(), []

    def save(steps: list[Any]) -> None:
        writing.set()
        go_on.wait()
        written.extend(steps)

    late = LateSteps(cast("Any", SimpleNamespace(save_step_results=save)))

    async def add(step: Any) -> None:
        late.add(step)

    def body() -> None:
        signal.alarm(10)
        late.write()
        go_on.set()
        asyncio.run(add("the child's"))
        late.write()
        assert written == ["the child's"]

    asyncio.run(add("the parent's"))
    thread = threading.Thread(target=late.write)
    thread.start()
    writing.wait()
    assert forked(body) == 0
    go_on.set()
    thread.join()
    assert written == ["the parent's"]


def test_a_child_forked_in_the_middle_of_a_write_refuses_and_the_parent_goes_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "traces.db"
    backend = SQLiteBackend(path)
    start(backend, "before")
    held = backend._log._connection  # type: ignore[attr-defined]
    in_it, forked_already = threading.Event(), threading.Event()

    def write(connection: sqlite3.Connection, _: int) -> None:
        in_it.set()
        forked_already.wait(30)

    writing = threading.Thread(target=held.write, args=(write, 0), kwargs={"wait": True})
    writing.start()
    in_it.wait(30)

    def refuses() -> None:
        with pytest.raises(StoreUnavailable, match="forked"):
            start(backend, "child")

    assert forked(refuses) == 0
    forked_already.set()
    writing.join(30)
    start(backend, "after")
    backend.close_sync()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT run_id FROM runs ORDER BY run_id").fetchall()
        assert rows == [("after",), ("before",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
