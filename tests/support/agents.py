"""Agents of the real pydantic-ai, traced into memory."""

import asyncio
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor
from support.memory_trace import MemoryTrace


class TracedAgents(MemoryTrace):
    """Every agent of the process, unless it has another instrumentation."""

    def __init__(self) -> None:
        super().__init__()
        self.instrumentor = PydanticAIInstrumentor()

    def instrument(self, **options: Any) -> None:
        self.instrumentor.uninstrument()
        self.instrumentor.instrument(tracer_provider=self.provider, **options)


def ask(agent: Any, prompt: str, **options: Any) -> Any:
    """In an event loop of its own, which `run_sync` would leave open."""
    return asyncio.run(agent.run(prompt, **options))


def weather_agent(answer: str = "rain", **options: Any) -> Any:
    """It calls its one tool, then says what that gave."""
    agent: Any = Agent(TestModel(), name="weatherman", **options)

    @agent.tool_plain  # type: ignore[untyped-decorator,unused-ignore]
    def look_outside(place: str) -> str:
        if answer == "sour milk":
            raise ValueError(answer)
        return answer

    return agent


def replying(answer: str, **usage: int) -> FunctionModel:
    """A model that says one thing."""

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(answer)], usage=RequestUsage(**usage))

    return FunctionModel(reply, model_name="parrot")
