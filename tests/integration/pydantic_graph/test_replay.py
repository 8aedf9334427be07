"""A replay is a run of its own that names and links its original."""

import asyncio
from typing import Any

from flujo_otel.integrations.pydantic_graph import execution_id, replay_of
from flujo_otel.semconv import graph
from support.graphs import GraphBuilder, StepContext, TracedGraphs


def telling(inner: Any = None) -> Any:
    builder = GraphBuilder(name="telling", input_type=str, output_type=str)

    @builder.step
    async def tell(ctx: StepContext[None, None, str]) -> str:
        if inner is not None:
            await inner.run(inputs=ctx.inputs)
        return execution_id() or ""

    builder.add(
        builder.edge_from(builder.start_node).to(tell),
        builder.edge_from(tell).to(builder.end_node),
    )
    return builder.build()


def test_a_run_knows_its_execution_id_inside_and_nobody_outside(traced: TracedGraphs) -> None:
    assert execution_id() is None
    inside = traced.run(telling(), inputs="x")
    run = traced.named("telling")
    assert f"{run.context.trace_id:032x}-{run.context.span_id:016x}" == inside
    assert inside == run.attributes[graph.EXECUTION_ID]

    async def main() -> str | None:
        async with telling().iter(inputs="y"):
            return execution_id()

    assert traced.drive(main) == traced.all_named("telling")[1].attributes[graph.EXECUTION_ID]


def test_a_replay_says_so_and_links_to_its_original(traced: TracedGraphs) -> None:
    original = traced.run(telling(), inputs="x")
    with replay_of(original):
        traced.run(telling(), inputs="x")
    first, second = traced.all_named("telling")
    assert second.attributes[graph.IS_REPLAY] is True
    assert original == second.attributes[graph.ORIGINAL_EXECUTION_ID]
    (link,) = second.links
    assert (first.context.trace_id, first.context.span_id) == (
        link.context.trace_id,
        link.context.span_id,
    )
    assert {graph.ORIGINAL_EXECUTION_ID: original} == dict(link.attributes)
    assert first.context.trace_id != second.context.trace_id
    assert graph.IS_REPLAY not in first.attributes


def test_the_original_may_be_named_by_its_traceparent(traced: TracedGraphs) -> None:
    with replay_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        traced.run(telling(), inputs="x")
    (link,) = traced.named("telling").links
    assert 0x4BF92F3577B34DA6A3CE929D0E0E4736 == link.context.trace_id
    assert 0x00F067AA0BA902B7 == link.context.span_id


def test_an_id_that_is_none_of_ours_is_recorded_without_a_link(traced: TracedGraphs) -> None:
    with replay_of("exec-123"):
        traced.run(telling(), inputs="x")
    run = traced.named("telling")
    assert "exec-123" == run.attributes[graph.ORIGINAL_EXECUTION_ID]
    assert () == tuple(run.links)


def test_an_id_of_zeros_links_to_nothing(traced: TracedGraphs) -> None:
    with replay_of(f"{0:032x}-{0:016x}"):
        traced.run(telling(), inputs="x")
    assert () == tuple(traced.named("telling").links)


def test_runs_inside_a_replay_are_no_replays_themselves(traced: TracedGraphs) -> None:
    with replay_of("exec-123"):
        traced.run(telling(inner=telling()), inputs="x")
    outer, inner = traced.all_named("telling")
    assert graph.IS_REPLAY in outer.attributes
    assert graph.IS_REPLAY not in inner.attributes


def test_a_run_beside_the_replay_is_none(traced: TracedGraphs) -> None:
    async def replay() -> None:
        with replay_of("exec-123"):
            await telling().run(inputs="replay")

    async def plain() -> None:
        await telling().run(inputs="plain")

    async def main() -> None:
        await asyncio.gather(replay(), plain())

    traced.drive(main)
    marked = [graph.IS_REPLAY in run.attributes for run in traced.all_named("telling")]
    assert [True, False] == sorted(marked, reverse=True)
