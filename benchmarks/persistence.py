"""What SQLiteBackend as flujo's state backend adds to a real pipeline, and what flujo's own adds.

Two pipelines of 100 steps, untraced: of 5 ms each (how many percent?) and of nothing at all (how
much of what flujo's own default adds?). Beside them the floor: a backend that commits one row of a
kilobyte for each state, and does nothing else. All ways in turn, each in its own process; medians
over all runs of all processes, and the ratios of these medians.
"""

import asyncio
import sqlite3
import sys
import warnings
from pathlib import Path
from typing import Any

from benchmarks._ways import added, compare, report, started

STEPS = 100
FLOOR = "a bare commit"
WAYS = ("no backend", FLOOR, "SQLiteBackend", "flujo's own")


def child(way: str, sleep_seconds: float, runs: int) -> None:
    warnings.simplefilter("ignore")
    import logging

    logging.disable(logging.WARNING)
    from flujo import Flujo, Pipeline, Step

    async def work(value: Any) -> Any:
        if sleep_seconds:
            await asyncio.sleep(sleep_seconds)
        return value + 1

    pipeline = Pipeline(steps=[Step.from_callable(work, name=f"s{n}") for n in range(STEPS)])
    runner = Flujo(pipeline, state_backend=_backend(way))
    if hasattr(runner, "disable_tracing"):
        runner.disable_tracing()
    if way == "no backend":
        runner.state_backend = None
    # Another input each time: 0.6 remembers what a step answered to the same one.
    runner.run(-STEPS)
    found = []
    for run in range(runs):
        took = started()
        result = runner.run(run * 2 * STEPS)
        found.append(took())
        assert len(result.step_history) == STEPS
        assert result.step_history[-1].output == run * 2 * STEPS + STEPS
    report(found)


def _backend(way: str) -> Any:
    from flujo_otel import SQLiteBackend

    if way == "SQLiteBackend":
        return SQLiteBackend(Path("ours.db"))
    if way != FLOOR:
        return None
    connection = sqlite3.connect("floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE states (run_id TEXT PRIMARY KEY, state TEXT)")

    class Floor(SQLiteBackend):
        async def save_state(self, run_id: str, state: Any) -> None:
            row = run_id, "x" * 1000
            connection.execute("INSERT OR REPLACE INTO states VALUES (?, ?)", row)

        async def nothing(self, *_: Any, **__: Any) -> None:
            pass

        save_run_start = save_step_result = save_run_end = nothing

    return Floor(Path("never.db"))


def main() -> None:
    slow = compare("persistence", WAYS, 0.005, 3)
    print(f"{STEPS} steps of 5 ms, one run, median:")
    for way, took in slow.items():
        print(f"  {way:14} {added(took, slow[WAYS[0]], STEPS)}")
    print("  (to reach: SQLiteBackend at most +5 %)")
    fast = compare("persistence", WAYS, 0.0, 5)
    bare, _, ours, own = (fast[way].wall_seconds for way in WAYS)
    print(f"{STEPS} trivial steps, one run, median:")
    for way, took in fast.items():
        seconds = took.wall_seconds
        print(f"  {way:14} {seconds * 1e3:8.1f} ms  adds {(seconds - bare) * 1e3:8.1f} ms")
    print(f"  flujo's own adds {(own - bare) / (ours - bare):.0f} times as much (to reach: 20)")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
