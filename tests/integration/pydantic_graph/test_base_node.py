"""Graphs of BaseNodes as pydantic-graph 1.x has them: one after the other, with a persistence."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context, trace

from flujo_otel.integrations.pydantic_graph import execution_id
from flujo_otel.semconv import flujo, graph, openinference
from support.graphs import HAS_GRAPHS_OF_BASE_NODES, TracedGraphs, content, events, states

if not HAS_GRAPHS_OF_BASE_NODES:
    pytest.skip("pydantic-graph 1.x alone has graphs of BaseNodes", allow_module_level=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the last of 1.x call this API deprecated
    from pydantic_graph import BaseNode, End, FullStatePersistence, Graph, GraphRunContext
    from pydantic_graph.persistence.file import FileStatePersistence

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")


@dataclass
class Draft:
    text: str = ""
    attempts: int = 0


@dataclass
class Write(BaseNode[Draft, None, str]):
    topic: str

    async def run(self, ctx: GraphRunContext[Draft]) -> Review:
        ctx.state.attempts += 1
        ctx.state.text = f"{self.topic}, attempt {ctx.state.attempts}"
        return Review(self.topic)


@dataclass
class Review(BaseNode[Draft, None, str]):
    topic: str

    async def run(self, ctx: GraphRunContext[Draft]) -> Write | Fail | End[str]:
        if self.topic == "nothing":
            return Fail()
        return End(ctx.state.text) if ctx.state.attempts >= 2 else Write(self.topic)


@dataclass
class Fail(BaseNode[Draft, None, str]):
    async def run(self, ctx: GraphRunContext[Draft]) -> End[str]:
        await asyncio.sleep(0)
        raise ValueError("nothing to write about")


writing: Any = Graph(nodes=(Write, Review, Fail), name="writing")
RETRIED = (
    "writing\n  Write -> Review\n  Review -> Write\n  Write #2 -> Review\n  Review #2 -> __end__"
)


def test_run_with_a_loop_that_retries(traced: TracedGraphs) -> None:
    assert "milk, attempt 2" == traced.run(writing, Write("milk"), state=Draft()).output
    assert RETRIED == traced.tree()


def test_run_sync(traced: TracedGraphs) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        assert "milk, attempt 2" == writing.run_sync(Write("milk"), state=Draft()).output
    finally:
        loop.close()
        asyncio.set_event_loop(None)
    assert RETRIED == traced.tree()


def test_iter(traced: TracedGraphs) -> None:
    async def main() -> list[str]:
        async with writing.iter(Write("milk"), state=Draft()) as run:
            return [type(node).__name__ async for node in run]

    assert ["Write", "Review", "Write", "Review", "End"] == traced.drive(main)
    assert RETRIED == traced.tree()


def test_next_runs_the_node_that_it_is_given(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with writing.iter(Write("milk"), state=Draft()) as run:
            await run.next(Review("nothing"))

    traced.drive(main)
    assert "writing abandoned\n  Review -> Fail" == traced.tree()


def test_a_span_around_next_is_the_node_s_parent(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with writing.iter(Write("milk"), state=Draft()) as run:
            with traced.tracer.start_as_current_span("first step"):
                await run.next()

    traced.drive(main)
    assert "writing abandoned\n  first step\n    Write -> Review" == traced.tree()


def test_what_a_run_and_its_nodes_record(traced: TracedGraphs) -> None:
    traced.run(writing, Write("milk"), state=Draft())
    run, first = traced.named("writing"), traced.all_named("Write")[0]
    assert "base_node" == run.attributes[graph.API]
    assert {"node_id": "Write", "inputs": {"topic": "milk"}} == content(
        run, openinference.INPUT_VALUE
    )
    assert "milk, attempt 2" == content(run, openinference.OUTPUT_VALUE)
    assert {"text": "milk, attempt 2", "attempts": 2} == content(run, flujo.FINAL_CONTEXT)
    assert {"topic": "milk"} == content(first, openinference.INPUT_VALUE)
    assert {"node_id": "Review", "inputs": {"topic": "milk"}} == content(
        first, openinference.OUTPUT_VALUE
    )
    before, after = {"text": "", "attempts": 0}, {"text": "milk, attempt 1", "attempts": 1}
    assert [before, after] == states(first)


def test_an_error_fails_its_node_and_the_run_and_propagates(traced: TracedGraphs) -> None:
    with pytest.raises(ValueError, match="nothing to write"):
        traced.run(writing, Write("nothing"), state=Draft())
    assert traced.tree() == (
        "writing failed ValueError\n  Write -> Review\n  Review -> Fail\n  Fail failed ValueError"
    )
    assert "Fail" == traced.named("writing").attributes[graph.FAILED_NODE]
    assert "exception" in events(traced.named("Fail"))


def test_what_is_no_node_is_refused_as_ever(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with writing.iter(Write("milk"), state=Draft()) as run:
            await run.next("Review")

    with pytest.raises(AttributeError):
        traced.drive(main)
    assert "writing failed AttributeError" == traced.tree()


def test_a_cancelled_node_has_failed(traced: TracedGraphs) -> None:
    @dataclass
    class Wait(BaseNode[None, None, int]):
        async def run(self, ctx: GraphRunContext[None]) -> End[int]:
            await asyncio.sleep(30)
            return End(1)

    waiting = Graph(nodes=(Wait,), name="waiting")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting.run(Wait()), 0.05)

    traced.drive(main)
    assert "waiting failed CancelledError\n  Wait failed CancelledError" == traced.tree()


def test_a_generator_around_a_run_may_be_closed_by_another_task(traced: TracedGraphs) -> None:
    async def nodes_of_a_run() -> Any:
        async with writing.iter(Write("milk"), state=Draft()) as run:
            yield "entered"
            async for node in run:
                yield node

    async def main() -> None:
        source = nodes_of_a_run()
        await source.__anext__()
        await asyncio.create_task(source.aclose())

    asyncio.run(main())
    assert "writing abandoned" == traced.tree()


def test_a_run_whose_context_manager_is_thrown_away_ends_with_it(traced: TracedGraphs) -> None:
    async def main() -> None:
        left = writing.iter(Write("milk"), state=Draft())
        await left.__aenter__()
        del left
        gc.collect()

    asyncio.run(main())
    assert "writing abandoned" == traced.tree()


def test_a_run_that_is_left_with_its_persistence_is_paused_and_goes_on_linked(
    traced: TracedGraphs,
) -> None:
    persistence: Any = FullStatePersistence()

    async def main() -> Any:
        async with writing.iter(Write("milk"), state=Draft(), persistence=persistence) as run:
            await run.next()
        async with writing.iter_from_persistence(persistence) as run:
            async for _ in run:
                pass
            return run.result.output

    assert "milk, attempt 2" == traced.drive(main)
    assert traced.tree() == (
        "writing paused\n"
        "  Write -> Review\n"
        "writing\n"
        "  Review -> Write\n"
        "  Write -> Review\n"
        "  Review #2 -> __end__"
    )
    original, resumed = traced.all_named("writing")
    assert "paused" == original.attributes[flujo.STATUS]
    assert resumed.attributes[graph.IS_RESUMED] is True
    assert (
        original.attributes[graph.EXECUTION_ID] == (resumed.attributes[graph.ORIGINAL_EXECUTION_ID])
    )
    (link,) = resumed.links
    assert (original.context.trace_id, original.context.span_id) == (
        link.context.trace_id,
        link.context.span_id,
    )
    assert {"text": "milk, attempt 1", "attempts": 1} == states(resumed)[0]


def test_a_run_goes_on_from_a_file_by_another_object_for_it(
    traced: TracedGraphs, tmp_path: Path
) -> None:
    file = tmp_path / "state.json"

    async def main() -> None:
        first: Any = FileStatePersistence(file)
        async with writing.iter(Write("milk"), state=Draft(), persistence=first) as run:
            await run.next()
        second: Any = FileStatePersistence(file)
        async with writing.iter_from_persistence(second) as run:
            await run.next()

    traced.drive(main)
    original, resumed = traced.all_named("writing")
    assert [original.context.span_id] == [link.context.span_id for link in resumed.links]


def test_a_first_run_from_a_persistence_is_linked_to_nothing(traced: TracedGraphs) -> None:
    persistence: Any = FullStatePersistence()

    async def main() -> None:
        await writing.initialize(Write("milk"), persistence, state=Draft())
        async with writing.iter_from_persistence(persistence) as run:
            async for _ in run:
                pass

    traced.drive(main)
    run = traced.named("writing")
    assert run.attributes[graph.IS_RESUMED] is True
    assert graph.ORIGINAL_EXECUTION_ID not in run.attributes
    assert () == tuple(run.links)


def test_a_persistence_with_nothing_to_go_on_from_fails_the_run(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with writing.iter_from_persistence(FullStatePersistence()):
            raise AssertionError("not reached")

    with pytest.raises(Exception, match="restore"):
        traced.drive(main)
    assert "writing failed GraphRuntimeError" == traced.tree()


def test_a_graph_without_a_name_has_that_of_its_variable(traced: TracedGraphs) -> None:
    async def main() -> None:
        its_name: Any = Graph(nodes=(Write, Review, Fail))
        async with its_name.iter(Write("milk"), state=Draft()) as run:
            await run.next()
        assert "its_name" == its_name.name

    traced.drive(main)
    assert "its_name" == traced.spans[0].name


def test_a_graph_in_a_node_is_one_tree(traced: TracedGraphs) -> None:
    seen: list[str | None] = []

    @dataclass
    class Delegate(BaseNode[None, None, str]):
        async def run(self, ctx: GraphRunContext[None]) -> End[str]:
            seen.append(execution_id())
            return End((await writing.run(Write("milk"), state=Draft())).output)

    outer: Any = Graph(nodes=(Delegate,), name="outer")
    traced.run(outer, Delegate())
    inner = "\n".join(f"    {line}" for line in RETRIED.splitlines())
    assert f"outer\n  Delegate -> __end__\n{inner}" == traced.tree()
    assert [traced.named("outer").attributes[graph.EXECUTION_ID]] == seen


def test_two_runs_side_by_side_do_not_mix(traced: TracedGraphs) -> None:
    async def main() -> None:
        await asyncio.gather(
            *(writing.run(Write(topic), state=Draft()) for topic in ("a", "b", "c"))
        )

    traced.drive(main)
    assert 3 == len({span.context.trace_id for span in traced.spans})
    for run in traced.all_named("writing"):
        topic = content(run, openinference.INPUT_VALUE)["inputs"]["topic"]
        mine = [s for s in traced.spans if s.parent and s.parent.span_id == run.context.span_id]
        assert 4 == len(mine)
        assert {topic} == {content(s, openinference.INPUT_VALUE)["topic"] for s in mine}


def test_what_a_node_leaves_attached_does_not_reach_the_next_one(traced: TracedGraphs) -> None:
    @dataclass
    class Leak(BaseNode[None, None, int]):
        left: int

        async def run(self, ctx: GraphRunContext[None]) -> Leak | End[int]:
            span = traced.tracer.start_span("left current")
            context.attach(trace.set_span_in_context(span))
            span.end()
            return Leak(self.left - 1) if self.left else End(0)

    leaking: Any = Graph(nodes=(Leak,), name="leaking")
    traced.run(leaking, Leak(1))
    assert traced.tree() == (
        "leaking\n  Leak -> Leak\n    left current\n  Leak #2 -> __end__\n    left current"
    )


def test_a_run_may_be_entered_in_one_task_and_driven_in_another(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with writing.iter(Write("milk"), state=Draft()) as run:
            nowhere = contextvars.Context()
            await asyncio.create_task(run.next(), context=nowhere)

    asyncio.run(main())
    assert "writing abandoned\n  Write -> Review" == traced.tree()
