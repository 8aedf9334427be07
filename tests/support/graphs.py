"""Real pydantic-graph runs under trace, whichever version is installed, and their spans as text."""

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from flujo_otel.integrations.pydantic_graph.execution import running_execution
from flujo_otel.semconv import flujo, graph
from support.watched import Watched, events

PYDANTIC_GRAPH = tuple(int(part) for part in version("pydantic-graph").split(".")[:2])
HAS_GRAPHS_OF_BASE_NODES = find_spec("pydantic_graph.persistence") is not None
only_on_1 = pytest.mark.skipif(
    not HAS_GRAPHS_OF_BASE_NODES, reason="pydantic-graph 1.x alone has graphs of BaseNodes"
)
only_on_2 = pytest.mark.skipif(
    HAS_GRAPHS_OF_BASE_NODES, reason="pydantic-graph 2.x alone does this"
)

if find_spec("pydantic_graph.graph_builder") is None:
    from pydantic_graph.beta import GraphBuilder, StepContext
    from pydantic_graph.beta import graph as builder_module
    from pydantic_graph.beta.join import ReduceFirstValue, reduce_list_append, reduce_sum
    from pydantic_graph.beta.util import TypeExpression
else:
    from pydantic_graph import (
        GraphBuilder,
        ReduceFirstValue,
        StepContext,
        TypeExpression,
        reduce_list_append,
        reduce_sum,
    )
    from pydantic_graph import (
        graph_builder as builder_module,
    )

__all__ = [
    "HAS_GRAPHS_OF_BASE_NODES",
    "PYDANTIC_GRAPH",
    "Count",
    "GraphBuilder",
    "ReduceFirstValue",
    "StepContext",
    "TracedGraphs",
    "TypeExpression",
    "builder_module",
    "events",
    "only_on_1",
    "only_on_2",
    "reduce_list_append",
    "reduce_sum",
]


@dataclass
class Count:
    """A state that steps change."""

    calls: int = 0
    seen: list[str] = field(default_factory=list)


class TracedGraphs(Watched):
    """Graphs, and the checks after each run."""

    def run(self, of: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the graph to its end and return what its `run` gives."""
        return self.drive(lambda: of.run(*args, **kwargs))

    def line(self, span: ReadableSpan) -> str:
        return line(span)

    def expect_nothing_current(self) -> None:
        assert running_execution() is None

    def check(self) -> None:
        """What must hold after every run, whatever became of it."""
        super().check()
        for span in self.spans:
            attributes = span.attributes
            if graph.STATUS not in attributes:
                continue
            assert (attributes[graph.STATUS] == "failed") == (
                span.status.status_code is StatusCode.ERROR
            )
            first = self.watch.first[span.context.span_id]
            assert (graph.NODE_ID in first) == (flujo.STEP_TYPE in first)
            if span.parent is None:
                assert flujo.PIPELINE_NAME in first
            else:
                assert flujo.PIPELINE_NAME not in attributes
            assert flujo.RUN_ID not in attributes


def line(span: ReadableSpan) -> str:
    """A span of ours in a line; of anything else its name."""
    attributes = span.attributes or {}
    if graph.STATUS not in attributes:
        return span.name
    parts = [span.name]
    if graph.NODE_TYPE in attributes:
        kind = str(attributes[graph.NODE_TYPE])
        parts.append(f"({kind})" if kind not in ("step", "node") else "")
        if attributes[graph.NODE_VISIT] != 1:
            parts.append(f"#{attributes[graph.NODE_VISIT]}")
        if flujo.PARALLEL_BRANCH in attributes:
            parts.append(f"in {attributes[flujo.PARALLEL_BRANCH]}")
    if attributes[graph.STATUS] != "completed":
        parts.append(str(attributes[graph.STATUS]))
    if flujo.ERROR_TYPE in attributes:
        parts.append(str(attributes[flujo.ERROR_TYPE]))
    if graph.NODE_NEXT in attributes:
        parts.append("-> " + ", ".join(attributes[graph.NODE_NEXT]))
    return " ".join(part for part in parts if part)


def states(span: ReadableSpan) -> list[Any]:
    """The state snapshots of a span, in order."""
    return [
        json.loads(str(event.attributes[graph.STATE]))
        for event in span.events
        if event.name in (graph.EVENT_STATE_BEFORE, graph.EVENT_STATE_AFTER)
    ]


def content(span: ReadableSpan, name: str) -> Any:
    """A recorded value, read back."""
    return json.loads(str(span.attributes[name]))


def streaming(numbers: Any) -> Any:
    """A graph that adds up what the stream `numbers` gives, each in a branch of its own."""
    builder = GraphBuilder(name="streaming", output_type=int)
    source = builder.stream(numbers)

    @builder.step
    async def same(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    total = builder.join(reduce_sum, initial=0, node_id="total")
    builder.add(
        builder.edge_from(builder.start_node).to(source),
        builder.edge_from(source).map().to(same),
        builder.edge_from(same).to(total),
        builder.edge_from(total).to(builder.end_node),
    )
    return builder.build()
