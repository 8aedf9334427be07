"""Graphs made by the builder: what a run of each kind looks like as a tree of spans."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_graph import BaseNode, End, GraphRunContext

from flujo_otel.semconv import flujo, graph, openinference
from support.graphs import (
    Count,
    GraphBuilder,
    StepContext,
    TracedGraphs,
    TypeExpression,
    content,
    only_on_2,
    states,
)


def chain() -> Any:
    builder = GraphBuilder(name="chain", state_type=Count, input_type=int, output_type=str)

    @builder.step
    async def double(ctx: StepContext[Count, None, int]) -> int:
        ctx.state.calls += 1
        return ctx.inputs * 2

    @builder.step(label="into words")
    async def write(ctx: StepContext[Count, None, int]) -> str:
        ctx.state.seen.append(str(ctx.inputs))
        return f"it is {ctx.inputs}"

    builder.add(
        builder.edge_from(builder.start_node).to(double),
        builder.edge_from(double).to(write),
        builder.edge_from(write).to(builder.end_node),
    )
    return builder.build()


def test_steps_in_a_row(traced: TracedGraphs) -> None:
    assert "it is 42" == traced.run(chain(), state=Count(), inputs=21)
    assert "chain\n  double -> write\n  write -> __end__" == traced.tree()


def test_a_run_says_what_it_is_and_what_it_was_given(traced: TracedGraphs) -> None:
    traced.run(chain(), state=Count(), inputs=21)
    run = traced.named("chain")
    assert {
        graph.TYPE: "chain",
        graph.API: "builder",
        graph.STATUS: "completed",
        graph.EXECUTION_ID: f"{run.context.trace_id:032x}-{run.context.span_id:016x}",
        flujo.PIPELINE_NAME: "chain",
        flujo.STATUS: "completed",
        flujo.FINAL_CONTEXT: '{"calls": 1, "seen": ["42"]}',
        openinference.SPAN_KIND: "CHAIN",
        openinference.INPUT_VALUE: "21",
        openinference.INPUT_MIME_TYPE: "application/json",
        openinference.OUTPUT_VALUE: '"it is 42"',
        openinference.OUTPUT_MIME_TYPE: "application/json",
    } == dict(run.attributes)
    assert [{"calls": 0, "seen": []}, {"calls": 1, "seen": ["42"]}] == states(run)


def test_a_node_says_what_it_is_took_gave_and_where_it_led(traced: TracedGraphs) -> None:
    traced.run(chain(), state=Count(), inputs=21)
    assert {
        flujo.STEP_TYPE: "graph_node",
        flujo.STATUS: "completed",
        graph.TYPE: "chain",
        graph.STATUS: "completed",
        graph.NODE_ID: "write",
        graph.NODE_TYPE: "step",
        graph.NODE_LABEL: "into words",
        graph.NODE_VISIT: 1,
        graph.NODE_NEXT: ("__end__",),
        openinference.SPAN_KIND: "CHAIN",
        openinference.INPUT_VALUE: "42",
        openinference.INPUT_MIME_TYPE: "application/json",
        openinference.OUTPUT_VALUE: '"it is 42"',
        openinference.OUTPUT_MIME_TYPE: "application/json",
    } == dict(traced.named("write").attributes)


def test_the_state_before_and_after_each_node(traced: TracedGraphs) -> None:
    traced.run(chain(), state=Count(), inputs=21)
    first, second = {"calls": 0, "seen": []}, {"calls": 1, "seen": []}
    assert [first, second] == states(traced.named("double"))
    assert [second, {"calls": 1, "seen": ["42"]}] == states(traced.named("write"))


def test_a_graph_without_a_name_has_that_of_its_variable(traced: TracedGraphs) -> None:
    async def main() -> None:
        the_one_run = chain()
        the_one_run.name = None
        await the_one_run.run(state=Count(), inputs=1)
        the_one_iterated = chain()
        the_one_iterated.name = None
        async with the_one_iterated.iter(state=Count(), inputs=1) as run:
            async for _ in run:
                pass
        assert "the_one_iterated" == the_one_iterated.name

    traced.drive(main)
    names = [span.name for span in traced.spans if not span.parent]
    assert ["the_one_run", "the_one_iterated"] == names


def test_a_name_that_is_not_to_be_inferred_is_not(traced: TracedGraphs) -> None:
    nameless = chain()
    nameless.name = None
    traced.run(nameless, state=Count(), inputs=1, infer_name=False)
    assert nameless.name is None
    assert "graph" == traced.spans[0].name


def branching() -> Any:
    builder = GraphBuilder(name="branching", input_type=str, output_type=str)

    @builder.step
    async def classify(ctx: StepContext[None, None, str]) -> Literal["refund", "question"]:
        return "refund" if "money" in ctx.inputs else "question"

    @builder.step
    async def refund(ctx: StepContext[None, None, object]) -> str:
        return "paid"

    @builder.step
    async def answer(ctx: StepContext[None, None, object]) -> str:
        return "answered"

    route = builder.decision(node_id="route")
    route = route.branch(builder.match(TypeExpression[Literal["refund"]]).to(refund))
    route = route.branch(builder.match(TypeExpression[Literal["question"]]).to(answer))
    builder.add(
        builder.edge_from(builder.start_node).to(classify),
        builder.edge_from(classify).to(route),
        builder.edge_from(refund, answer).to(builder.end_node),
    )
    return builder.build()


def test_a_decision_shows_which_branch_it_took(traced: TracedGraphs) -> None:
    assert "paid" == traced.run(branching(), inputs="my money back")
    assert traced.tree() == (
        "branching\n  classify -> route\n  route (decision) -> refund\n  refund -> __end__"
    )
    assert "refund" == traced.named("route").attributes[flujo.BRANCH_KEY]
    assert "refund" == content(traced.named("route"), openinference.INPUT_VALUE)


def retrying(fails: int) -> Any:
    builder = GraphBuilder(name="retrying", state_type=Count, output_type=str)

    @builder.step
    async def attempt(ctx: StepContext[Count, None, object]) -> Literal["good", "bad"]:
        ctx.state.calls += 1
        return "good" if ctx.state.calls > fails else "bad"

    @builder.step
    async def accept(ctx: StepContext[Count, None, object]) -> str:
        return f"after {ctx.state.calls}"

    check = builder.decision(node_id="check")
    check = check.branch(builder.match(TypeExpression[Literal["good"]]).to(accept))
    check = check.branch(builder.match(TypeExpression[Literal["bad"]]).to(attempt))
    builder.add(
        builder.edge_from(builder.start_node).to(attempt),
        builder.edge_from(attempt).to(check),
        builder.edge_from(accept).to(builder.end_node),
    )
    return builder.build()


def test_a_loop_with_retries_counts_the_visits(traced: TracedGraphs) -> None:
    assert "after 3" == traced.run(retrying(2), state=Count())
    assert traced.tree() == (
        "retrying\n"
        "  attempt -> check\n"
        "  check (decision) -> attempt\n"
        "  attempt #2 -> check\n"
        "  check (decision) #2 -> attempt\n"
        "  attempt #3 -> check\n"
        "  check (decision) #3 -> accept\n"
        "  accept -> __end__"
    )


@dataclass
class Halve(BaseNode[Count, None, int]):
    number: int

    async def run(self, ctx: GraphRunContext[Count]) -> "Halve | End[int]":
        ctx.state.calls += 1
        return Halve(self.number // 2) if self.number % 2 == 0 else End(self.number)


def test_base_nodes_in_a_builder_s_graph(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="halving", state_type=Count, input_type=int, output_type=int)

    @builder.step
    async def begin(ctx: StepContext[Count, None, int]) -> Halve:
        return Halve(ctx.inputs)

    builder.add(
        builder.node(Halve),
        builder.edge_from(builder.start_node).to(begin),
    )
    assert 3 == traced.run(builder.build(), state=Count(), inputs=12)
    assert traced.tree() == (
        "halving\n  begin -> Halve\n  Halve -> Halve\n  Halve #2 -> Halve\n  Halve #3 -> __end__"
    )
    first, second, third = traced.all_named("Halve")
    assert "node" == first.attributes[graph.NODE_TYPE]
    assert {"number": 12} == content(first, openinference.INPUT_VALUE)
    assert {"node_id": "Halve", "inputs": {"number": 6}} == content(
        first, openinference.OUTPUT_VALUE
    )
    assert 3 == content(third, openinference.OUTPUT_VALUE)
    assert [{"calls": 1, "seen": []}, {"calls": 2, "seen": []}] == states(second)


def test_a_graph_in_a_graph_is_one_tree_and_one_run(traced: TracedGraphs) -> None:
    inner = chain()
    builder = GraphBuilder(name="outer", input_type=int, output_type=str)

    @builder.step
    async def delegate(ctx: StepContext[None, None, int]) -> str:
        return await inner.run(state=Count(), inputs=ctx.inputs)

    builder.add(
        builder.edge_from(builder.start_node).to(delegate),
        builder.edge_from(delegate).to(builder.end_node),
    )
    traced.run(builder.build(), inputs=1)
    assert traced.tree() == (
        "outer\n  delegate -> __end__\n    chain\n      double -> write\n      write -> __end__"
    )
    assert 1 == len({span.context.trace_id for span in traced.spans})


@only_on_2
def test_run_sync(traced: TracedGraphs) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        assert "it is 42" == chain().run_sync(state=Count(), inputs=21)
    finally:
        loop.close()
        asyncio.set_event_loop(None)
    assert "chain\n  double -> write\n  write -> __end__" == traced.tree()


def test_spans_of_the_code_that_drives_a_run_hang_under_the_run(traced: TracedGraphs) -> None:
    async def main() -> None:
        async with chain().iter(state=Count(), inputs=1) as run:
            with traced.tracer.start_as_current_span("looking on"):
                async for _ in run:
                    pass

    traced.drive(main)
    assert "chain\n  looking on\n  double -> write\n  write -> __end__" == traced.tree(), (
        "a node may outlive what its starter was doing, so it belongs to the run"
    )


def test_next_with_other_tasks_than_those_that_came(traced: TracedGraphs) -> None:
    async def main() -> Any:
        async with chain().iter(state=Count(), inputs=1) as run:
            tasks = await run.next()
            while getattr(tasks[0], "node_id", None) != "write":
                tasks = await run.next(tasks)
            tasks[0].inputs = 100
            event: Any = tasks
            while not hasattr(event, "value"):
                event = await run.next(event)
            return event.value

    assert "it is 100" == traced.drive(main)
    assert 100 == content(traced.named("write"), openinference.INPUT_VALUE)


def test_a_graph_run_under_a_span_names_no_run_of_its_own(traced: TracedGraphs) -> None:
    async def main() -> None:
        with traced.tracer.start_as_current_span("the program"):
            await chain().run(state=Count(), inputs=1)

    traced.drive(main)
    assert "the program\n  chain\n    double -> write\n    write -> __end__" == traced.tree()
    assert flujo.PIPELINE_NAME not in traced.named("chain").attributes
