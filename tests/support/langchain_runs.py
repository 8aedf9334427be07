"""The real langchain-core with its fake models, traced into memory; chains for several tests."""

from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from pydantic import Field

from flujo_otel.integrations.langchain import XRayLangChainCallback
from support.memory_trace import MemoryTrace


class Traced(MemoryTrace):
    """With a callback."""

    def __init__(self) -> None:
        super().__init__()
        self.callback = self.another()

    def another(self, root: Any = None, **options: Any) -> XRayLangChainCallback:
        return XRayLangChainCallback(root, tracer_provider=self.provider, **options)

    @property
    def config(self) -> Any:
        return {"callbacks": [self.callback]}


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
