"""The real langchain-core with its fake models, traced into memory; chains for several tests."""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer
from pydantic import Field

from flujo_otel.integrations.langchain import XRayLangChainCallback


class Traced:
    """A provider of its own, a callback on it, and what they recorded."""

    def __init__(self) -> None:
        self.memory = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.tracer: Tracer = self.provider.get_tracer("the program")
        self.callback = self.another()

    def another(self, root: Any = None, **options: Any) -> XRayLangChainCallback:
        return XRayLangChainCallback(root, tracer_provider=self.provider, **options)

    @property
    def config(self) -> Any:
        return {"callbacks": [self.callback]}

    def spans(self) -> list[ReadableSpan]:
        return sorted(self.memory.get_finished_spans(), key=lambda span: span.start_time or 0)

    def span(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.spans() if span.name == name)
        return found

    def facts(self, name: str) -> dict[str, Any]:
        return dict(self.span(name).attributes or {})

    def value(self, name: str, attribute: str) -> Any:
        return json.loads(self.facts(name)[attribute])

    def events(self, name: str) -> list[str]:
        return [event.name for event in self.span(name).events]

    def tree(self) -> list[str]:
        """A line for each span, indented below its parent, siblings in order of start."""
        spans = self.spans()
        known = {span.context.span_id for span in spans}
        lines: list[str] = []

        def draw(parent: int | None, depth: int) -> None:
            for span in spans:
                above = span.parent.span_id if span.parent else None
                if (above if above in known else None) == parent:
                    lines.append("  " * depth + span.name)
                    draw(span.context.span_id, depth + 1)

        draw(None, 0)
        return lines


def chat_chain(answer: str) -> Runnable[Any, Any]:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{topic}")])
    return prompt | FakeListChatModel(responses=[answer]) | StrOutputParser()


def answering(*messages: AIMessage) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(messages))


class Described(FakeListChatModel):
    """A fake model that says of itself and of its answers what a real one does."""

    model: str = "gpt-4o-mini"
    temperature: float = 0.2
    llm_output: dict[str, Any] = Field(default_factory=dict)
    generation_info: dict[str, Any] = Field(default_factory=dict)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": 100}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": self.model, "ls_model_type": "chat"}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage(self.responses[0])
        generation = ChatGeneration(message=message, generation_info=self.generation_info)
        return ChatResult(generations=[generation], llm_output=self.llm_output)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        raise NotImplementedError
