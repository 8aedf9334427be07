"""What tracing with storage adds to a real flujo pipeline.

Two pipelines of 100 steps: of 5 ms each (how many percent does tracing add?) and of nothing at all
(how much of what flujo's own default SQLite persistence adds?). Beside them the floor: the SDK's
own span for a step, with as many attributes, that goes nowhere. Runs of all ways alternate, each
way in a process of its own; medians.
"""

import asyncio
import sys
import warnings
from typing import Any

from benchmarks._ways import added, compare, report, started

STEPS = 100
FLOOR = "the SDK's spans alone"
TRACED = ("hook", "instrumentor")
OWN = "flujo's own persistence"
WAYS = ("bare", FLOOR, *TRACED, OWN)
ATTRIBUTES = {f"flujo.fact.{number}": "some value" for number in range(13)}
"""As many as a step has."""


def child(way: str, sleep_seconds: float, runs: int) -> None:
    warnings.simplefilter("ignore")
    import logging

    logging.disable(logging.WARNING)
    from flujo import Flujo, Pipeline, Step

    async def work(value: Any, **_: Any) -> Any:
        if sleep_seconds:
            await asyncio.sleep(sleep_seconds)
        return value

    if way in TRACED:
        import flujo_otel

        flujo_otel.configure(flujo=way == "instrumentor")
    pipeline = Pipeline(steps=[Step.from_callable(work, name=f"s{n}") for n in range(STEPS)])
    floor = Floor()
    runner = Flujo(pipeline, hooks=[floor.hook] if way == FLOOR else _hooks(way))
    if hasattr(runner, "disable_tracing"):
        runner.disable_tracing()
    if way != OWN:
        runner.state_backend = None
    runner.run("warm up")
    # flujo keeps to itself what a hook raises.
    assert floor.ended == (STEPS if way == FLOOR else 0)
    found = []
    for _ in range(runs):
        took = started()
        runner.run("x")
        found.append(took())
    report(found)


def _hooks(way: str) -> list[Any]:
    if way == "hook":
        from flujo_otel import TraceManager

        return [TraceManager().hook]
    return []


class Floor:
    """A span for each step."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider

        self._tracer = TracerProvider().get_tracer("floor")
        self._open: list[Any] = []
        self.ended = 0

    # Without a type: flujo asks whether a payload is one, which nothing is an `Any`.
    async def hook(self, payload):  # type: ignore[no-untyped-def]
        if payload.event_name == "pre_step":
            self._open.append(self._tracer.start_span("step", attributes=ATTRIBUTES))
        elif payload.event_name == "post_step":
            self._open.pop().end()
            self.ended += 1


def main() -> None:
    slow = compare("flujo_steps", WAYS[:-1], 0.005, 3)
    print(f"{STEPS} steps of 5 ms, one run, median:")
    for way, took in slow.items():
        print(
            f"  {way:24} {added(took, slow['bare'], STEPS)}"
            + ("   (to reach: <= +2 %)" if way in TRACED else "")
        )
    fast = compare("flujo_steps", WAYS, 0.0, 5)
    seconds_of = {way: took.wall_seconds for way, took in fast.items()}
    own = seconds_of[OWN] - seconds_of["bare"]
    print(f"{STEPS} trivial steps, one run, median:")
    for way, seconds in seconds_of.items():
        more = seconds - seconds_of["bare"]
        part = f"   1/{own / more:5.0f} of flujo's own" if more > 0 else ""
        print(f"  {way:24} {seconds * 1e3:8.1f} ms  adds {more * 1e3:8.2f} ms{part}")
    print("  (to reach: at most 1/20)")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
