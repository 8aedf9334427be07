"""An agent's run is a run of its own or part of the one around it, with its calls as steps."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings, InstrumentedModel
from pydantic_ai.models.test import TestModel

from support.agents import TracedAgents, ask, replying, weather_agent

# pydantic-ai 1.x asks OpenTelemetry for a logger under a name that is deprecated.
deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 2


def steps_of(traced: TracedAgents) -> list[tuple[int, str, str]]:
    """Index, type and name."""
    facts = [(span.name, span.attributes or {}) for span in traced.spans()]
    return sorted(
        (int(str(each["flujo.step.index"])), str(each["flujo.step.type"]), name)
        for name, each in facts
        if "flujo.step.type" in each
    )


def recorded(traced: TracedAgents) -> str:
    return str(
        [
            (s.name, s.status.description, s.attributes, [e.attributes for e in s.events])
            for s in traced.spans()
        ]
    )


def test_an_agent_is_a_run_of_its_name_with_its_calls_as_steps(traced: TracedAgents) -> None:
    ask(weather_agent(), "How is it?")
    facts = traced.facts("weatherman")
    assert "weatherman" == facts["flujo.pipeline.name"]
    assert "invoke_agent" == facts["gen_ai.operation.name"]
    assert ("How is it?", '{"look_outside":"rain"}') == (
        facts["input.value"],
        facts["output.value"],
    )
    assert [
        (0, "pydantic_ai", "chat test"),
        (1, "pydantic_ai", "execute_tool look_outside"),
        (2, "pydantic_ai", "chat test"),
    ] == steps_of(traced)


def test_an_agent_without_a_name_has_that_of_its_variable(traced: TracedAgents) -> None:
    async def main() -> None:
        helper = Agent(TestModel())
        await helper.run("Hello")

    asyncio.run(main())
    assert "helper" == traced.facts("helper")["flujo.pipeline.name"]


def test_a_step_says_what_went_in_and_what_came_out(traced: TracedAgents) -> None:
    ask(weather_agent(), "How is it?")
    tool = traced.facts("execute_tool look_outside")
    assert ('{"place":"a"}', "rain") == (tool["input.value"], tool["output.value"])
    chats = [dict(span.attributes or {}) for span in traced.spans() if span.name == "chat test"]
    assert [
        ("How is it?", 'look_outside({"place": "a"})'),
        ("rain", '{"look_outside":"rain"}'),
    ] == [(facts["input.value"], facts["output.value"]) for facts in chats]


def test_a_conversation_that_goes_on_has_the_new_prompt_as_its_input(traced: TracedAgents) -> None:
    agent = weather_agent(system_prompt="Be brief.")
    before = ask(agent, "How is it?")
    traced.memory.clear()
    ask(agent, "And tomorrow?", message_history=before.all_messages())
    assert "And tomorrow?" == traced.facts("weatherman")["input.value"]


def test_under_a_span_an_agent_is_part_of_the_run_around_it(traced: TracedAgents) -> None:
    with traced.tracer.start_as_current_span("request"):
        ask(weather_agent(), "How is it?")
    assert ["request", "  invoke_agent weatherman"] == traced.tree()[:2]
    assert [] == steps_of(traced)
    assert "flujo.pipeline.name" not in traced.facts("invoke_agent weatherman")


def test_an_agent_that_a_tool_asks_is_in_that_tool(traced: TracedAgents) -> None:
    outer: Any = Agent(TestModel(), name="boss")

    @outer.tool_plain  # type: ignore[untyped-decorator,unused-ignore]
    async def consult() -> str:
        return str((await weather_agent().run("How is it?")).output)

    ask(outer, "Hello")
    tree = [line.strip() for line in traced.tree()]
    assert "boss" == tree[0]
    assert tree.index("execute_tool consult") + 1 == tree.index("invoke_agent weatherman")
    roots = [span for span in traced.spans() if "flujo.pipeline.name" in (span.attributes or {})]
    assert ["boss"] == [span.name for span in roots]


async def test_agents_at_once_are_runs_of_their_own(traced: TracedAgents) -> None:
    agent = weather_agent()
    await asyncio.gather(*(agent.run(f"number {number}") for number in range(5)))
    roots = [span for span in traced.spans() if span.name == "weatherman"]
    assert {f"number {n}" for n in range(5)} == {
        (span.attributes or {})["input.value"] for span in roots
    }
    assert 5 == len({span.context.trace_id for span in roots})
    assert [0] * 5 + [1] * 5 + [2] * 5 == [index for index, _, _ in steps_of(traced)]


async def test_a_streamed_answer_is_recorded_when_it_was_read(traced: TracedAgents) -> None:
    agent = Agent(TestModel(custom_output_text="It rains."), name="weatherman")
    async with agent.run_stream("How is it?") as answer:
        assert "It rains." == await answer.get_output()
    assert ["weatherman", "  chat test"] == traced.tree()
    assert "It rains." == traced.facts("chat test")["output.value"]


def test_an_error_is_recorded_once_and_propagates(traced: TracedAgents) -> None:
    with pytest.raises(ValueError, match="sour milk"):
        ask(weather_agent("sour milk"), "How is it?")
    for name in ("execute_tool look_outside", "weatherman"):
        span = traced.span(name)
        assert StatusCode.ERROR is span.status.status_code
        assert ["exception"] == traced.events(name)
        assert "ValueError" == traced.facts(name)["error.type"]
        assert "ValueError: sour milk" == traced.facts(name)["flujo.error"]


def test_secrets_are_redacted_wherever_they_are(traced: TracedAgents) -> None:
    ask(weather_agent(f"api_key={SECRET}", system_prompt=f"Use {SECRET}"), f"What is {SECRET}?")
    assert SECRET not in recorded(traced)
    assert "[REDACTED]" in traced.facts("weatherman")["input.value"]


def test_a_span_is_given_no_secret_as_its_new_name(traced: TracedAgents) -> None:
    agent: Any = Agent(TestModel(), name="renamer")

    @agent.tool_plain  # type: ignore[untyped-decorator,unused-ignore]
    def rename() -> str:
        trace.get_current_span().update_name(f"call with {SECRET}")
        return "done"

    ask(agent, "Rename it.")
    assert "call with [REDACTED]" in [span.name for span in traced.spans()]


def test_long_values_are_cut_and_it_is_said(traced: TracedAgents) -> None:
    traced.instrument(value_limit_bytes=300)
    ask(weather_agent(), "long " * 200)
    facts = traced.facts("weatherman")
    for name in ("input.value", "pydantic_ai.all_messages"):
        assert len(facts[name].encode()) <= 300, name
    assert facts["flujo.truncated"] >= 2
    chat = next(span for span in traced.spans() if span.name == "chat test")
    assert len(str((chat.attributes or {})["model_request_parameters"])) <= 300


def test_without_content_nothing_of_what_was_said_is_recorded(traced: TracedAgents) -> None:
    traced.instrument(content=False)
    ask(weather_agent("hail", system_prompt="Weasels only."), "What do stoats do?")
    assert 3 == len(steps_of(traced))
    for said in ("hail", "easels", "stoats", "input.value", "output.value"):
        assert said not in recorded(traced), said


@deprecated
def test_an_agent_or_model_with_an_instrumentation_of_its_own_keeps_it(
    traced: TracedAgents,
) -> None:
    other = TracedAgents()
    own = InstrumentationSettings(tracer_provider=other.provider)
    instrumented: Any = weather_agent()
    instrumented.instrument = own
    ask(instrumented, "How is it?")
    ask(Agent(InstrumentedModel(TestModel(), own), name="second"), "How is it?")
    silent: Any = weather_agent()
    silent.instrument = False
    ask(silent, "How is it?")
    assert [] == traced.tree()
    assert 2 == sum("chat" not in line and line[0] != " " for line in other.tree())


@deprecated
def test_what_the_program_switches_on_for_all_agents_stays_and_nothing_is_there_twice(
    traced: TracedAgents,
) -> None:
    other = TracedAgents()
    Agent.instrument_all(InstrumentationSettings(tracer_provider=other.provider))
    try:
        ask(weather_agent(), "How is it?")
        traced.instrument()
        ask(weather_agent(), "How is it?")
        traced.instrumentor.uninstrument()
        ask(weather_agent(), "How is it?")
    finally:
        Agent.instrument_all(False)
    assert [] == traced.tree()
    assert 3 == sum(line[0] != " " for line in other.tree())


def test_undoing_it_leaves_pydantic_ai_as_it_was(traced: TracedAgents) -> None:
    traced.instrumentor.uninstrument()
    traced.instrumentor.uninstrument()
    ask(weather_agent(), "How is it?")
    assert [] == traced.tree()
    assert Agent._instrument_default is False


def test_what_it_cannot_read_is_recorded_without_it(
    traced: TracedAgents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_RAISE", "0")
    module = "flujo_otel.integrations.pydantic_ai.library.first_asked"
    monkeypatch.setattr(module, lambda *_: 1 / 0)
    ask(weather_agent(), "How is it?")
    assert "weatherman" == traced.facts("weatherman")["flujo.pipeline.name"]


def test_a_model_s_tokens_are_told(traced: TracedAgents) -> None:
    ask(Agent(replying("Hi", input_tokens=7, output_tokens=2)), "Hello")
    facts = traced.facts("chat parrot")
    assert (7, 2) == (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"])


def test_nothing_is_imported_or_instrumented_before_the_program_does() -> None:
    source = (
        "import sys\n"
        "from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor\n"
        "PydanticAIInstrumentor().instrument()\n"
        "assert 'pydantic_ai' not in sys.modules\n"
        "PydanticAIInstrumentor().uninstrument()\n"
        "from pydantic_ai import Agent\n"
        "assert Agent._instrument_default is False\n"
        "PydanticAIInstrumentor().instrument()\n"
        "assert Agent._instrument_default\n"
    )
    subprocess.run([sys.executable, "-c", source], check=True)


def test_without_pydantic_ai_it_says_what_to_install() -> None:
    source = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *r: None if name == 'pydantic_ai' else find(name, *r)\n"
        "from flujo_otel.errors import MissingExtra\n"
        "from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor\n"
        "try:\n    PydanticAIInstrumentor().instrument()\n"
        "except MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert 'pip install "flujo-otel[pydantic-ai]"' in done.stdout
