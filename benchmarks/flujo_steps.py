"""What tracing with storage adds to a real flujo pipeline.

Two pipelines of 100 steps: of 5 ms each (how many percent does tracing add?) and of nothing at all
(how much of what flujo's own default SQLite persistence adds?). Runs of all ways alternate, each
way in a process of its own; medians.
"""

import asyncio
import sys
import time
import warnings
from typing import Any

from benchmarks._ways import compare, report

STEPS = 100
WAYS = ("bare", "hook", "instrumentor", "flujo's own persistence")


def child(way: str, sleep_seconds: float, runs: int) -> None:
    warnings.simplefilter("ignore")
    import logging

    logging.disable(logging.WARNING)
    from flujo import Flujo, Pipeline, Step

    import flujo_otel

    async def work(value: Any, **_: Any) -> Any:
        if sleep_seconds:
            await asyncio.sleep(sleep_seconds)
        return value

    if way in ("hook", "instrumentor"):
        flujo_otel.configure(flujo=way == "instrumentor")
    hooks = [flujo_otel.TraceManager().hook] if way == "hook" else []
    pipeline = Pipeline(steps=[Step.from_callable(work, name=f"s{n}") for n in range(STEPS)])
    runner = Flujo(pipeline, hooks=hooks)
    if hasattr(runner, "disable_tracing"):
        runner.disable_tracing()
    if way != "flujo's own persistence":
        runner.state_backend = None
    runner.run("warm up")
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        runner.run("x")
        times.append(time.perf_counter() - began)
    report(times)


def main() -> None:
    slow = compare("flujo_steps", WAYS[:3], 0.005, 3)
    print(f"{STEPS} steps of 5 ms, one run, median:")
    for way, seconds in slow.items():
        added = seconds / slow["bare"] - 1
        print(f"  {way:24} {seconds * 1e3:8.1f} ms  {added:+7.2%}   (to reach: <= +2 %)")
    fast = compare("flujo_steps", WAYS, 0.0, 5)
    own = fast[WAYS[3]] - fast["bare"]
    print(f"{STEPS} trivial steps, one run, median:")
    for way, seconds in fast.items():
        added = seconds - fast["bare"]
        print(
            f"  {way:24} {seconds * 1e3:8.1f} ms  adds {added * 1e3:8.2f} ms"
            f"   1/{own / added:5.0f} of flujo's own" if added > 0 else
            f"  {way:24} {seconds * 1e3:8.1f} ms"
        )  # fmt: skip
    print("  (to reach: at most 1/20)")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
