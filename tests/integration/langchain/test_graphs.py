"""Graphs of LangGraph: their nodes, what runs inside those, and what is no failure."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry.trace import StatusCode

from support.langchain_runs import Traced

pytest.importorskip("langgraph", reason="pip install langgraph")

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt


class State(TypedDict, total=False):
    count: int
    said: Annotated[list[str], operator.add]


def graph(**nodes: Any) -> StateGraph[State]:
    """`nodes` one after the other."""
    built: StateGraph[State] = StateGraph(State)
    before = START
    for name, node in nodes.items():
        built.add_node(name, node)
        built.add_edge(before, name)
        before = name
    return built


def marking(traced: Traced, name: str) -> Any:
    """A node that makes a span of its own, as an HTTP client in it does."""

    def node(state: Any) -> State:
        traced.tracer.start_span(name).end()
        return {"said": [name]}

    return node


def marking_async(traced: Traced, name: str) -> Any:
    async def node(state: Any) -> State:
        await asyncio.sleep(0.01)
        traced.tracer.start_span(name).end()
        return {"said": [name]}

    return node


def circling(traced: Traced, node: Any) -> Any:
    """A fan-out of two, a node that runs twice, and a subgraph."""

    def fan(state: State) -> list[Send]:
        traced.tracer.start_span("in fan").end()
        return [Send("work", state), Send("work", state)]

    inner = graph(deep=node(traced, "in deep")).compile(name="inner")
    built = graph(plan=node(traced, "in plan"))
    built.add_node("work", node(traced, "in work"))
    built.add_node("turn", lambda state: {"count": state.get("count", 0) + 1})
    built.add_node("sub", inner)
    built.add_conditional_edges("plan", fan, ["work"])
    built.add_edge("work", "turn")
    built.add_conditional_edges(
        "turn", RunnableLambda(lambda state: "turn" if state["count"] < 2 else "sub", name="enough")
    )
    return built.compile(name="round trip")


CIRCLED = """
round trip
  plan
    in plan
    fan
      in fan
  work
    in work
  work
    in work
  turn
    enough
  turn
    enough
  sub
    inner
      deep
        in deep
""".strip().splitlines()


def test_what_a_nodes_code_makes_hangs_under_the_node(traced: Traced) -> None:
    circling(traced, marking).invoke({}, config=traced.config)
    assert CIRCLED == traced.tree()


def test_so_it_does_where_the_graph_is_streamed(traced: Traced) -> None:
    for _ in circling(traced, marking).stream({}, config=traced.config):
        pass
    assert CIRCLED == traced.tree()


async def test_so_it_does_in_async_nodes(traced: Traced) -> None:
    await circling(traced, marking_async).ainvoke({}, config=traced.config)
    assert CIRCLED == traced.tree()


async def test_so_it_does_where_an_async_graph_is_streamed(traced: Traced) -> None:
    async for _ in circling(traced, marking_async).astream({}, config=traced.config):
        pass
    assert CIRCLED == traced.tree()


def test_the_span_that_is_current_around_a_graph_is_so_after_it(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("around"):
        graph(plan=marking(traced, "in plan")).compile().invoke({}, config=traced.config)
        traced.tracer.start_span("after").end()
    assert ["around", "  LangGraph", "    plan", "      in plan", "  after"] == traced.tree()


def test_an_interrupt_pauses_the_nodes_and_asks_what_the_program_asked(traced: Traced) -> None:
    def ask(state: State) -> State:
        return {"said": [interrupt({"send": "this?"})]}

    inner = graph(ask=ask).compile()
    asker = graph(inner=inner).compile(name="asker", checkpointer=InMemorySaver())
    config = {**traced.config, "configurable": {"thread_id": "t-1"}}
    asker.invoke({}, config=config)
    assert ["asker", "  inner", "    LangGraph", "      ask"] == traced.tree()
    for name in ("inner", "LangGraph", "ask"):
        assert "paused" == traced.facts(name)["flujo.status"]
        assert StatusCode.UNSET is traced.span(name).status.status_code
    (event,) = traced.span("ask").events
    assert {"flujo.message": '{"send": "this?"}'} == dict(event.attributes or {})
    traced.memory.clear()
    assert ["yes"] == asker.invoke(Command(resume="yes"), config=config)["said"]
    assert ["asker", "  inner", "    LangGraph", "      ask"] == traced.tree()
    assert "t-1" == traced.facts("asker")["session.id"]


def test_handing_over_to_the_graph_around_is_no_pause(traced: Traced) -> None:
    def leave(state: State) -> Command[Any]:
        return Command(goto="last", graph=Command.PARENT)

    built = graph(inner=graph(leave=leave).compile())
    built.add_node("last", lambda state: {"count": 1})
    assert 1 == built.compile(name="whole").invoke({}, config=traced.config)["count"]
    assert ["whole", "  inner", "    LangGraph", "      leave", "  last"] == traced.tree()
    for span in traced.spans():
        assert "flujo.status" not in (span.attributes or {})
        assert StatusCode.UNSET is span.status.status_code
    assert "goto='last'" in traced.facts("leave")["output.value"]


def test_langgraphs_own_tags_are_not_the_programs(traced: Traced) -> None:
    graph(plan=marking(traced, "in plan")).compile().invoke({}, config=traced.config)
    assert "tag.tags" not in traced.facts("plan")
