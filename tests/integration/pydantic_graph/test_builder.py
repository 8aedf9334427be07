"""Graphs made by the builder: what a run of each kind looks like as a tree of spans."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_graph import BaseNode, End, GraphRunContext

from flujo_otel.semconv import flujo, graph, openinference
from support.graphs import (
    GraphBuilder,
    ReduceFirstValue,
    StepContext,
    TracedGraphs,
    TypeExpression,
    content,
    only_on_2,
    reduce_list_append,
    reduce_sum,
    states,
)


@dataclass
class Count:
    calls: int = 0
    seen: list[str] = field(default_factory=list)


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
    builder = GraphBuilder(name="streaming", output_type=int)

    @builder.stream
    async def numbers(ctx: StepContext[None, None, None]) -> AsyncIterator[int]:
        for number in range(3):
            with traced.tracer.start_as_current_span(f"fetch {number}"):
                await asyncio.sleep(0)
            yield number

    @builder.step
    async def same(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    total = builder.join(reduce_sum, initial=0, node_id="total")
    builder.add(
        builder.edge_from(builder.start_node).to(numbers),
        builder.edge_from(numbers).map().to(same),
        builder.edge_from(same).to(total),
        builder.edge_from(total).to(builder.end_node),
    )
    assert 3 == traced.run(builder.build())
    lines = traced.tree().splitlines()
    at = lines.index("  map (map) -> same")
    assert ["    fetch 0", "    fetch 1", "    fetch 2"] == lines[at + 1 : at + 4]
    assert 3 == traced.named("map").attributes[graph.BRANCHES]


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
