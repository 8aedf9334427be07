"""A value or an error whose own code panics ends no graph's run."""

from typing import Any

import pytest

from support.graphs import GraphBuilder, StepContext, TracedGraphs
from support.panics import NOT_SHOWN, Frame, Speechless


def graph_of(first: Any, second: Any) -> Any:
    builder = GraphBuilder(name="two")
    make, use = builder.step(first, node_id="make"), builder.step(second, node_id="use")
    builder.add(
        builder.edge_from(builder.start_node).to(make),
        builder.edge_from(make).to(use),
        builder.edge_from(use).to(builder.end_node),
    )
    return builder.build()


async def make(ctx: StepContext[Any, None, Any]) -> Frame:
    return Frame()


async def use(ctx: StepContext[Any, None, Any]) -> str:
    return "used"


async def fails(ctx: StepContext[Any, None, Any]) -> str:
    raise Speechless


def test_a_value_that_cannot_be_shown_is_recorded_as_such(traced: TracedGraphs) -> None:
    assert traced.run(graph_of(make, use), state=Frame()) == "used"
    assert traced.named("make").attributes["output.value"] == f'"{NOT_SHOWN}"'
    assert traced.named("use").attributes["input.value"] == f'"{NOT_SHOWN}"'


def test_an_error_without_words_is_the_program_s_own(traced: TracedGraphs) -> None:
    with pytest.raises(Speechless):
        traced.run(graph_of(make, fails))
    message = traced.named("use").attributes["flujo.error"]
    assert message == "Speechless: <Speechless: PanicException in str()>"
