"""pydantic-ai's agents in a graph: their spans hang under the node that asks them."""

from typing import Any

import pytest

pytest.importorskip("pydantic_ai", reason="pip install pydantic-ai-slim")

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor
from flujo_otel.semconv import openinference
from support.graphs import GraphBuilder, StepContext, TracedGraphs, reduce_list_append

# pydantic-ai 1.x asks OpenTelemetry for a logger under a name that is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def asking(agent: Any) -> Any:
    builder = GraphBuilder(name="asking", input_type=list[str], output_type=list[str])

    @builder.step
    async def ask(ctx: StepContext[None, None, str]) -> str:
        return str((await agent.run(ctx.inputs)).output)

    answers = builder.join(reduce_list_append, initial_factory=list[str], node_id="answers")
    builder.add(
        builder.edge_from(builder.start_node).map().to(ask),
        builder.edge_from(ask).to(answers),
        builder.edge_from(answers).to(builder.end_node),
    )
    return builder.build()


def agent_of(traced: TracedGraphs, model: Any, **options: Any) -> Any:
    agent: Any = Agent(model, name="helper", **options)
    agent.instrument = InstrumentationSettings(tracer_provider=traced.provider)
    return agent


def ancestors(traced: TracedGraphs, span: Any) -> list[str]:
    known = {each.context.span_id: each for each in traced.spans}
    names = []
    while span.parent is not None:
        span = known[span.parent.span_id]
        names.append(span.name)
    return names


def test_an_agent_s_spans_hang_under_the_node_that_asks_it(traced: TracedGraphs) -> None:
    agent = agent_of(traced, TestModel(custom_output_text="fine"))
    assert ["fine"] == traced.run(asking(agent), inputs=["How are you?"])
    (chat,) = [span for span in traced.spans if span.name.startswith("chat")]
    above = ancestors(traced, chat)
    assert ["ask", "asking"] == above[-2:]
    assert "test" == chat.attributes["gen_ai.request.model"]


def test_an_agent_that_nobody_instrumented_hangs_there_too(traced: TracedGraphs) -> None:
    PydanticAIInstrumentor().uninstrument()
    PydanticAIInstrumentor().instrument(tracer_provider=traced.provider)
    try:
        traced.run(asking(Agent(TestModel(), name="helper")), inputs=["How are you?"])
    finally:
        PydanticAIInstrumentor().uninstrument()
    (chat,) = [span for span in traced.spans if span.name.startswith("chat")]
    assert ["invoke_agent helper", "ask", "asking"] == ancestors(traced, chat)
    assert "flujo.pipeline.name" not in traced.named("invoke_agent helper").attributes


def test_parallel_agents_hang_under_their_own_branch_each(traced: TracedGraphs) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        question = messages[0].parts[-1].content  # type: ignore[union-attr]
        return ModelResponse(parts=[TextPart(f"re: {question}")])

    agent = agent_of(traced, FunctionModel(answer))
    answers = traced.run(asking(agent), inputs=["a", "b", "c"])
    assert ["re: a", "re: b", "re: c"] == sorted(answers)
    nodes = {span.context.span_id: span for span in traced.all_named("ask")}
    agents = [span for span in traced.spans if span.parent and span.parent.span_id in nodes]
    assert 3 == len({span.parent.span_id for span in agents if span.parent})
    for span in traced.spans:
        if span.name.startswith("chat"):
            above = ancestors(traced, span)
            assert ["ask", "asking"] == above[-2:]


def test_a_tool_of_the_agent_is_in_the_tree(traced: TracedGraphs) -> None:
    agent = agent_of(traced, TestModel())

    @agent.tool_plain  # type: ignore[untyped-decorator,unused-ignore]
    def weather() -> str:
        with traced.tracer.start_as_current_span("look outside"):
            return "rain"

    traced.run(asking(agent), inputs=["Weather?"])
    assert ["ask", "asking"] == ancestors(traced, traced.named("look outside"))[-2:]


def test_the_graph_that_an_agent_is_inside_is_not_shown(traced: TracedGraphs) -> None:
    agent = agent_of(traced, TestModel())

    async def main() -> None:
        await agent.run("How are you?")

    traced.drive(main)
    names = [span.name for span in traced.spans]
    assert not {"UserPromptNode", "ModelRequestNode", "CallToolsNode"} & set(names)
    assert {"chat test"} <= set(names)


def test_a_node_that_fails_after_its_agent_has_not_the_agent_s_output(traced: TracedGraphs) -> None:
    agent = agent_of(traced, TestModel())
    builder = GraphBuilder(name="failing", output_type=str)

    @builder.step
    async def ask(ctx: StepContext[None, None, None]) -> str:
        await agent.run("How are you?")
        raise ValueError("not well")

    builder.add(
        builder.edge_from(builder.start_node).to(ask),
        builder.edge_from(ask).to(builder.end_node),
    )
    with pytest.raises(ValueError, match="not well"):
        traced.run(builder.build())
    assert openinference.OUTPUT_VALUE not in traced.named("ask").attributes
