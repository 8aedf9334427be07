"""What tracing with storage adds to a real graph of pydantic-graph.

A graph that visits a node 100 times, with a small state: nodes that take 5 ms each
(how many percent does tracing add?) and nodes that do nothing (how much time is that a node, as a
ratio, and what do pydantic-graph's own spans add?). The ways alternate, a process each; medians.
"""

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

from pydantic_graph import BaseNode, End, GraphRunContext

from benchmarks._ways import Took, compare, report, started

try:
    from pydantic_graph import GraphBuilder
except ImportError:  # 1.x
    from pydantic_graph.beta import GraphBuilder

NODES = 100
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

    async def main() -> list[Took]:
        await one.run(state=State(), inputs=Visit(NODES))
        found = []
        for _ in range(runs):
            took = started()
            await one.run(state=State(), inputs=Visit(NODES))
            found.append(took())
        return found

    report(asyncio.run(main()))


def main() -> None:
    slow = compare("graph_nodes", WAYS, 0.005, 3)
    print(f"{NODES} nodes of 5 ms, one run, median, wall time:")
    for way, took in slow.items():
        added = took.wall_seconds / slow["bare"].wall_seconds - 1
        print(f"  {way:28} {took.wall_seconds * 1e3:8.1f} ms  {added:+7.2%}")
    fast = compare("graph_nodes", WAYS, 0.0, 20)
    print(f"{NODES} nodes that do nothing, one run, median, CPU time with the writer's:")
    bare_seconds = fast["bare"].process_seconds
    for way, took in fast.items():
        seconds = took.process_seconds
        more = seconds - bare_seconds
        print(
            f"  {way:28} {seconds / NODES * 1e6:8.1f} us a node"
            f"   adds {more / NODES * 1e6:7.1f}   x {seconds / bare_seconds:4.2f}"
        )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], int(sys.argv[3]))
    else:
        main()
