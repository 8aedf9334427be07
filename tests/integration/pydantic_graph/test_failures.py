"""What becomes of the spans where a run, or a node, does not reach its end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from flujo_otel.semconv import flujo, graph
from support.graphs import (
    GraphBuilder,
    StepContext,
    TracedGraphs,
    events,
    only_on_2,
    reduce_sum,
    streaming,
)


class Sour(Exception):
    """The milk is."""


def failing(sleep_seconds: float = 0.0) -> Any:
    builder = GraphBuilder(name="failing", state_type=list[str], input_type=int, output_type=int)

    @builder.step
    async def pour(ctx: StepContext[list[str], None, int]) -> int:
        ctx.state.append("poured")
        return ctx.inputs

    @builder.step
    async def drink(ctx: StepContext[list[str], None, int]) -> int:
        ctx.state.append("drunk")
        await asyncio.sleep(sleep_seconds)
        raise Sour("sour milk")

    builder.add(
        builder.edge_from(builder.start_node).to(pour),
        builder.edge_from(pour).to(drink),
        builder.edge_from(drink).to(builder.end_node),
    )
    return builder.build()


def parallel(step: Any, reducer: Any = reduce_sum) -> Any:
    builder = GraphBuilder(name="parallel", input_type=list[int], output_type=int)
    work = builder.step(step, node_id="work")
    total = builder.join(reducer, initial=0, node_id="total")
    builder.add(
        builder.edge_from(builder.start_node).map().to(work),
        builder.edge_from(work).to(total),
        builder.edge_from(total).to(builder.end_node),
    )
    return builder.build()


def statuses(traced: TracedGraphs, name: str) -> list[Any]:
    return [span.attributes[graph.STATUS] for span in traced.all_named(name)]


def test_an_error_fails_its_node_and_the_run_and_propagates(traced: TracedGraphs) -> None:
    with pytest.raises(Sour, match="sour milk"):
        traced.run(failing(), state=[], inputs=1)
    assert "failing failed Sour\n  pour -> drink\n  drink failed Sour" == traced.tree()
    for span in (traced.named("drink"), traced.named("failing")):
        assert StatusCode.ERROR is span.status.status_code
        assert "Sour: sour milk" == span.status.description
        assert "failed" == span.attributes[flujo.STATUS]
        assert "Sour: sour milk" == span.attributes[flujo.ERROR_MESSAGE]
        assert "Sour" == span.attributes[flujo.ERROR_TYPE_PLAIN]
    assert "drink" == traced.named("failing").attributes[graph.FAILED_NODE]


def test_the_exception_is_an_event_on_the_node_where_it_arose_and_nowhere_else(
    traced: TracedGraphs,
) -> None:
    with pytest.raises(Sour):
        traced.run(failing(), state=[], inputs=1)
    before, exception, after = traced.named("drink").events
    assert (graph.EVENT_STATE_BEFORE, "exception", graph.EVENT_STATE_AFTER) == (
        before.name,
        exception.name,
        after.name,
    )
    assert exception.attributes["exception.type"].endswith("Sour")
    assert "sour milk" == exception.attributes["exception.message"]
    assert "in drink" in exception.attributes["exception.stacktrace"]
    assert '["poured", "drunk"]' == after.attributes[graph.STATE]
    assert "exception" not in events(traced.named("failing"))


def test_the_program_s_exception_is_the_very_one_that_was_raised(traced: TracedGraphs) -> None:
    raised = Sour("this one")

    async def work(ctx: StepContext[None, None, int]) -> int:
        raise raised

    with pytest.raises(Sour) as caught:
        traced.run(parallel(work), inputs=[1])
    assert raised is caught.value


def test_one_of_several_parallel_nodes_fails(traced: TracedGraphs) -> None:
    async def work(ctx: StepContext[None, None, int]) -> int:
        if ctx.inputs == 2:
            await asyncio.sleep(0.01)
            raise Sour("the second")
        await asyncio.sleep(30 if ctx.inputs == 3 else 0)
        return ctx.inputs

    with pytest.raises(Sour):
        traced.run(parallel(work), inputs=[1, 2, 3])
    assert ["completed", "failed", "cancelled"] == statuses(traced, "work")
    assert ["failed"] == statuses(traced, "parallel")
    assert "work" == traced.named("parallel").attributes[graph.FAILED_NODE]
    assert ["cancelled"] == statuses(traced, "total"), "it had one item and waited for more"


def test_a_reducer_that_fails_fails_its_join(traced: TracedGraphs) -> None:
    def reduce(current: int, item: int) -> int:
        raise Sour("cannot add")

    async def work(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    with pytest.raises(Sour):
        traced.run(parallel(work, reduce), inputs=[1])
    assert ["failed"] == statuses(traced, "total")
    assert "total" == traced.named("parallel").attributes[graph.FAILED_NODE]
    assert "exception" in events(traced.named("total"))


def test_what_cannot_be_mapped_fails_the_map(traced: TracedGraphs) -> None:
    async def work(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    with pytest.raises(RuntimeError, match="non-iterable"):
        traced.run(parallel(work), inputs=7)
    assert ["parallel failed RuntimeError", "  map (map) failed RuntimeError"] == (
        traced.tree().splitlines()
    )


def test_a_stream_that_breaks_fails_the_map_that_draws_from_it(traced: TracedGraphs) -> None:
    async def numbers(ctx: StepContext[None, None, None]) -> AsyncIterator[int]:
        yield 1
        raise Sour("no more")

    with pytest.raises(Sour):
        traced.run(streaming(numbers))
    assert ["failed"] == statuses(traced, "map")
    assert "map" == traced.named("streaming").attributes[graph.FAILED_NODE]


def test_a_path_s_transform_that_fails_fails_the_node_before_it(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="transforming", input_type=int, output_type=int)

    @builder.step
    async def take(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    def refuse(ctx: StepContext[None, None, int]) -> int:
        raise Sour("cannot be transformed")

    builder.add(
        builder.edge_from(builder.start_node).to(take),
        builder.edge_from(take).transform(refuse).to(builder.end_node),
    )
    with pytest.raises(Sour):
        traced.run(builder.build(), inputs=1)
    assert "transforming failed Sour\n  take failed Sour" == traced.tree()


def test_a_decision_without_a_branch_that_matches_fails(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="deciding", input_type=object, output_type=int)

    @builder.step
    async def take(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    which = builder.decision(node_id="which").branch(builder.match(int).to(take))
    builder.add(
        builder.edge_from(builder.start_node).to(which),
        builder.edge_from(take).to(builder.end_node),
    )
    built = builder.build()
    with pytest.raises(RuntimeError, match="No branch matched"):
        traced.run(built, inputs="seven")
    assert ["failed"] == statuses(traced, "which")


def test_an_error_of_the_code_that_drives_the_run_is_the_run_s(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with failing().iter(state=[], inputs=1):
            raise Sour("the driver's")

    with pytest.raises(Sour):
        traced.drive(main)
    assert "failing failed Sour" == traced.tree()
    assert "exception" in events(traced.named("failing"))
    assert graph.FAILED_NODE not in traced.named("failing").attributes


@only_on_2
def test_a_run_that_recovers_from_a_node_s_error_has_not_failed(traced: TracedGraphs) -> None:
    async def main() -> None:
        from pydantic_graph import EndMarker

        async with failing().iter(state=[], inputs=1) as run:
            try:
                async for _ in run:
                    pass
            except Sour:
                run.override_next(EndMarker(0))
            async for _ in run:
                pass

    traced.drive(main)
    assert "failing\n  pour -> drink\n  drink failed Sour" == traced.tree()


def test_iteration_that_is_broken_off_is_abandoned_and_no_error(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with failing(30).iter(state=[], inputs=1) as run:
            async for event in run:
                if isinstance(event, list) and event and event[0].node_id == "drink":
                    await asyncio.sleep(0.01)
                    break

    traced.drive(main)
    assert "failing abandoned\n  pour -> drink" == traced.tree()
    assert StatusCode.UNSET is traced.named("failing").status.status_code


def test_a_node_that_runs_when_the_iteration_is_broken_off_is_cancelled(
    traced: TracedGraphs,
) -> None:
    entered = asyncio.Event()

    async def work(ctx: StepContext[None, None, int]) -> int:
        entered.set()
        await asyncio.sleep(30 * ctx.inputs)
        return 0

    async def main() -> None:
        async with parallel(work).iter(inputs=[0, 1]) as run:
            async for _ in run:
                if entered.is_set():
                    break

    traced.drive(main)
    assert ["abandoned"] == statuses(traced, "parallel")
    assert "cancelled" in statuses(traced, "work")


def test_a_cancelled_run_and_the_nodes_that_it_stopped_have_failed(traced: TracedGraphs) -> None:
    state: list[str] = []

    async def main() -> None:
        task = asyncio.create_task(failing(30).run(state=state, inputs=1))
        while "drunk" not in state:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    traced.drive(main)
    assert (
        "failing failed CancelledError\n  pour -> drink\n  drink failed CancelledError"
        == traced.tree()
    )
    for span in traced.spans:
        assert "exception" not in events(span), "to be told to stop has no stack worth a look"


def test_a_timeout_around_a_run(traced: TracedGraphs) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(failing(30).run(state=[], inputs=1), 0.05)

    traced.drive(main)
    assert ["failed"] == statuses(traced, "failing")


def test_a_generator_around_a_run_that_is_closed_early(traced: TracedGraphs) -> None:
    async def events_of_a_run() -> Any:
        async with failing(30).iter(state=[], inputs=1) as run:
            yield "entered"
            async for event in run:
                yield event

    async def main() -> None:
        source = events_of_a_run()
        await source.__anext__()
        await source.aclose()

    traced.drive(main)
    assert "failing abandoned" == traced.tree()


def test_a_run_may_be_entered_in_one_task_and_driven_in_another(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with failing().iter(state=[], inputs=1) as run:

            async def drive() -> None:
                with pytest.raises(Sour):
                    async for _ in run:
                        pass

            import contextvars

            await asyncio.create_task(drive(), context=contextvars.Context())
            raise Sour("done")

    with pytest.raises(Sour):
        asyncio.run(main())
    assert "failing failed Sour\n  pour -> drink\n  drink failed Sour" == traced.tree()
