"""What tracing with storage adds to a real graph of pydantic-graph.

A graph that visits a node 100 times, with a small state: nodes that take 5 ms each
(how many percent does tracing add?) and nodes that do nothing (how much time is that a node, as a
ratio, and what do pydantic-graph's own spans add?). The ways alternate, a process each; medians.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_graph import BaseNode, End, GraphRunContext

try:
    from pydantic_graph import GraphBuilder
except ImportError:  # 1.x
    from pydantic_graph.beta import GraphBuilder

NODES = 100
ROUNDS = 5
WAYS = ("bare", "pydantic-graph's own spans", "instrumentor")
SLEEP_SECONDS = float(sys.argv[2]) if len(sys.argv) == 4 else 0.0


@dataclass
class State:
    """Of the size that is usual: a few scalars and a short list."""

    visits: int = 0
    topic: str = "milk"
    seen: list[str] = field(default_factory=lambda: ["sour", "sweet"])


@dataclass
class Visit(BaseNode[State, None, int]):
    left: int

    async def run(self, ctx: GraphRunContext[State, None]) -> "Visit | End[int]":
        ctx.state.visits += 1
        if SLEEP_SECONDS:
            await asyncio.sleep(SLEEP_SECONDS)
        return Visit(self.left - 1) if self.left > 1 else End(ctx.state.visits)


def graph(*, own_spans: bool) -> Any:
    """One node that leads back to itself until it has been visited often enough."""
    builder = GraphBuilder(
        name="visits",
        state_type=State,
        input_type=Visit,
        output_type=int,
        auto_instrument=own_spans,
    )
    builder.add(builder.node(Visit), builder.edge_from(builder.start_node).to(Visit))
    return builder.build()


def child(way: str, runs: int) -> None:
    import logging

    logging.disable(logging.WARNING)
    if way == "instrumentor":
        import flujo_otel

        flujo_otel.configure(flujo=False)
    one = graph(own_spans=way != "bare")

    async def main() -> list[float]:
        await one.run(state=State(), inputs=Visit(NODES))
        times = []
        for _ in range(runs):
            # With nothing to wait for it is the processor's time that counts, the writer's too.
            clock = time.perf_counter if SLEEP_SECONDS else time.process_time
            began = clock()
            await one.run(state=State(), inputs=Visit(NODES))
            times.append(clock() - began)
        return times

    print("RESULT " + json.dumps(asyncio.run(main())))


def measure(way: str, sleep_seconds: float, runs: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.graph_nodes", way, str(sleep_seconds), str(runs)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            check=False,
            text=True,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise RuntimeError(f"{way}: {done.stderr[-2000:]}")
    found: list[float] = json.loads(lines[-1].removeprefix("RESULT "))
    return found


def compare(sleep_seconds: float, runs: int) -> dict[str, float]:
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            times[way] += measure(way, sleep_seconds, runs)
    return {way: statistics.median(found) for way, found in times.items()}


def main() -> None:
    slow = compare(0.005, 3)
    print(f"{NODES} nodes of 5 ms, one run, median, wall time:")
    for way, seconds in slow.items():
        added = seconds / slow["bare"] - 1
        print(f"  {way:28} {seconds * 1e3:8.1f} ms  {added:+7.2%}")
    fast = compare(0.0, 20)
    print(f"{NODES} nodes that do nothing, one run, median, CPU time with the writer's:")
    for way, seconds in fast.items():
        added = seconds - fast["bare"]
        print(
            f"  {way:28} {seconds / NODES * 1e6:8.1f} us a node"
            f"   adds {added / NODES * 1e6:7.1f}   x {seconds / fast['bare']:4.2f}"
        )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], int(sys.argv[3]))
    else:
        main()
