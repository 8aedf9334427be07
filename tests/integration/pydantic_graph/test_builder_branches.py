"""Maps, broadcasts and joins of the builder: which branch a node is in, what waits for what."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from flujo_otel.semconv import flujo, graph, openinference
from support.graphs import (
    Count,
    GraphBuilder,
    ReduceFirstValue,
    StepContext,
    TracedGraphs,
    content,
    reduce_list_append,
    reduce_sum,
    streaming,
)


def mapping(preferred_parent_fork: Any = "farthest", **options: Any) -> Any:
    builder = GraphBuilder(name="mapping", state_type=Count, input_type=int, output_type=int)

    @builder.step
    async def spread(ctx: StepContext[Count, None, int]) -> list[int]:
        return list(range(ctx.inputs))

    @builder.step
    async def square(ctx: StepContext[Count, None, int]) -> int:
        await asyncio.sleep(0.002 * (5 - ctx.inputs))
        return ctx.inputs**2

    @builder.step
    async def tell(ctx: StepContext[Count, None, int]) -> int:
        return ctx.inputs

    total = builder.join(
        reduce_sum, initial=0, node_id="total", preferred_parent_fork=preferred_parent_fork
    )
    builder.add(
        builder.edge_from(builder.start_node).to(spread),
        builder.edge_from(spread).map(**options).to(square),
        builder.edge_from(square).to(total),
        builder.edge_from(total).to(tell),
        builder.edge_from(tell).to(builder.end_node),
    )
    return builder.build()


def test_a_map_has_a_span_for_each_item_and_one_for_its_join(traced: TracedGraphs) -> None:
    assert 5 == traced.run(mapping(), state=Count(), inputs=3)
    assert traced.tree() == (
        "mapping\n"
        "  spread -> map\n"
        "  map (map) -> square\n"
        "  square in 0 -> total\n"
        "  square #2 in 1 -> total\n"
        "  square #3 in 2 -> total\n"
        "  total (join) -> tell\n"
        "  tell -> __end__"
    )
    squares = traced.all_named("square")
    assert [0, 1, 2] == [span.attributes[graph.FORK_INDEX] for span in squares]
    assert {"map"} == {span.attributes[graph.FORK_ID] for span in squares}
    assert [0, 1, 4] == [content(span, openinference.OUTPUT_VALUE) for span in squares]
    assert 3 == traced.named("map").attributes[graph.BRANCHES]


def test_parallel_nodes_overlap_and_the_join_waits_for_the_last(traced: TracedGraphs) -> None:
    traced.run(mapping(), state=Count(), inputs=3)
    squares = traced.all_named("square")
    join = traced.named("total")
    assert max(span.start_time for span in squares) < min(span.end_time for span in squares)
    assert join.start_time >= min(span.end_time for span in squares)
    assert join.end_time >= max(span.end_time for span in squares)
    assert 3 == join.attributes[graph.JOINED]
    assert 5 == content(join, openinference.OUTPUT_VALUE)


def test_the_join_of_an_empty_map(traced: TracedGraphs) -> None:
    assert 0 == traced.run(mapping(downstream_join_id="total"), state=Count(), inputs=0)
    assert traced.tree() == (
        "mapping\n  spread -> map\n  map (map)\n  total (join) -> tell\n  tell -> __end__"
    )
    assert 0 == traced.named("total").attributes[graph.JOINED]


def test_a_broadcast_runs_its_branches_side_by_side(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="broadcast", input_type=int, output_type=list[str])
    meeting = asyncio.Event()

    @builder.step
    async def wait(ctx: StepContext[None, None, int]) -> str:
        await meeting.wait()
        return "waited"

    @builder.step
    async def call(ctx: StepContext[None, None, int]) -> str:
        with traced.tracer.start_as_current_span("its own"):
            meeting.set()
        return "called"

    both = builder.join(reduce_list_append, initial_factory=list[str], node_id="both")
    builder.add(
        builder.edge_from(builder.start_node).to(wait, call),
        builder.edge_from(wait, call).to(both),
        builder.edge_from(both).to(builder.end_node),
    )
    assert ["called", "waited"] == sorted(traced.run(builder.build(), inputs=1))
    lines = traced.tree().splitlines()
    assert "broadcast" == lines[0]
    assert lines[1].endswith(("(fork) -> wait, call", "(fork) -> call, wait"))
    assert {"wait", "call"} == {name for line in lines[2:5] for name in [line.split()[0]]} - {"its"}
    assert "    its own" == lines[1 + next(n for n, line in enumerate(lines) if "  call" in line)]
    assert "  both (join) -> __end__" == lines[5]
    indexes = {traced.named(name).attributes[graph.FORK_INDEX] for name in ("wait", "call")}
    assert {0, 1} == indexes


def test_maps_in_maps_name_every_branch(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="rows", input_type=list[list[int]], output_type=int)

    @builder.step
    async def row(ctx: StepContext[None, None, list[int]]) -> list[int]:
        return ctx.inputs

    @builder.step
    async def cell(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    total = builder.join(reduce_sum, initial=0, node_id="total")
    builder.add(
        builder.edge_from(builder.start_node).map().to(row),
        builder.edge_from(row).map().to(cell),
        builder.edge_from(cell).to(total),
        builder.edge_from(total).to(builder.end_node),
    )
    assert 10 == traced.run(builder.build(), inputs=[[1, 2], [3, 4]])
    assert ["0", "1"] == [s.attributes[flujo.PARALLEL_BRANCH] for s in traced.all_named("row")]
    assert ["0/0", "0/1", "1/0", "1/1"] == sorted(
        s.attributes[flujo.PARALLEL_BRANCH] for s in traced.all_named("cell")
    )
    assert 4 == sum(s.attributes[graph.JOINED] for s in traced.all_named("total"))


def test_a_node_behind_a_join_is_in_no_branch(traced: TracedGraphs) -> None:
    traced.run(mapping(preferred_parent_fork="closest"), state=Count(), inputs=2)
    assert "1" == traced.all_named("square")[1].attributes[flujo.PARALLEL_BRANCH]
    for name in ("total", "tell"):
        assert flujo.PARALLEL_BRANCH not in traced.named(name).attributes


def test_a_join_in_each_branch_ends_with_its_own_result(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="rows", input_type=list[list[int]], output_type=list[int])

    @builder.step
    async def row(ctx: StepContext[None, None, list[int]]) -> list[int]:
        return ctx.inputs

    @builder.step
    async def cell(ctx: StepContext[None, None, int]) -> int:
        await asyncio.sleep(0.02 if ctx.inputs == 2 else 0)
        return ctx.inputs

    total = builder.join(reduce_sum, initial=0, node_id="total", preferred_parent_fork="closest")
    both = builder.join(reduce_list_append, initial_factory=list[int], node_id="both")
    builder.add(
        builder.edge_from(builder.start_node).map().to(row),
        builder.edge_from(row).map().to(cell),
        builder.edge_from(cell).to(total),
        builder.edge_from(total).to(both),
        builder.edge_from(both).to(builder.end_node),
    )
    assert [3, 7] == sorted(traced.run(builder.build(), inputs=[[1, 2], [3, 4]]))
    assert {"0": (3, 2), "1": (7, 2)} == {
        span.attributes[flujo.PARALLEL_BRANCH]: (
            content(span, openinference.OUTPUT_VALUE),
            span.attributes[graph.JOINED],
        )
        for span in traced.all_named("total")
    }


def test_what_a_first_wins_join_needs_no_more_is_cancelled_and_no_error(
    traced: TracedGraphs,
) -> None:
    builder = GraphBuilder(name="race", input_type=list[float], output_type=float)

    @builder.step
    async def run(ctx: StepContext[None, None, float]) -> float:
        await asyncio.sleep(ctx.inputs)
        return ctx.inputs

    first = builder.join(ReduceFirstValue[float](), initial=0.0, node_id="first")
    builder.add(
        builder.edge_from(builder.start_node).map().to(run),
        builder.edge_from(run).to(first),
        builder.edge_from(first).to(builder.end_node),
    )
    assert 0.01 == traced.run(builder.build(), inputs=[30.0, 0.01, 40.0])
    assert ["cancelled", "completed", "cancelled"] == [
        span.attributes[graph.STATUS] for span in traced.all_named("run")
    ]
    assert "completed" == traced.spans[0].attributes[graph.STATUS]


def test_a_stream_s_own_spans_hang_under_the_map_that_draws_from_it(traced: TracedGraphs) -> None:
    async def numbers(ctx: StepContext[None, None, None]) -> AsyncIterator[int]:
        for number in range(3):
            with traced.tracer.start_as_current_span(f"fetch {number}"):
                await asyncio.sleep(0)
            yield number

    assert 3 == traced.run(streaming(numbers))
    lines = traced.tree().splitlines()
    at = lines.index("  map (map) -> same")
    assert ["    fetch 0", "    fetch 1", "    fetch 2"] == lines[at + 1 : at + 4]
    assert 3 == traced.named("map").attributes[graph.BRANCHES]


def test_concurrent_runs_of_one_graph_do_not_mix(traced: TracedGraphs) -> None:
    one = mapping()

    async def main() -> list[int]:
        runs = (one.run(state=Count(), inputs=n) for n in (2, 3, 4, 5))
        return list(await asyncio.gather(*runs))

    assert [1, 5, 14, 30] == traced.drive(main)
    roots = [span for span in traced.spans if span.parent is None]
    assert 4 == len({root.context.trace_id for root in roots})
    for root in roots:
        size = content(root, openinference.INPUT_VALUE)
        mine = [s for s in traced.spans if s.parent and s.parent.span_id == root.context.span_id]
        assert size == len([span for span in mine if span.name == "square"])
        assert {root.context.trace_id} == {span.context.trace_id for span in mine}
