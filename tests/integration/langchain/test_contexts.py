"""Which span is current in the program's own code, so that others' spans hang in their place."""

import asyncio
import contextvars
import threading
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from opentelemetry.trace import INVALID_SPAN, get_current_span

from support.langchain_runs import Traced, answering, chat_chain


def test_a_span_made_in_a_tool_or_a_function_hangs_below_it(traced: Traced) -> None:
    @tool
    def search(query: str) -> str:
        """Looks it up."""
        with traced.tracer.start_as_current_span("GET /search"):
            return query

    def ask(query: str) -> str:
        with traced.tracer.start_as_current_span("SELECT"):
            return search.invoke(query)

    RunnableLambda(ask).invoke("cats", config=traced.config)
    assert ["ask", "  SELECT", "    search", "      GET /search"] == traced.tree()
    assert INVALID_SPAN is get_current_span()


async def test_the_same_in_async_code(traced: Traced) -> None:
    @tool
    async def search(query: str) -> str:
        """Looks it up."""
        with traced.tracer.start_as_current_span("GET /search"):
            await asyncio.sleep(0)
            return query

    async def ask(query: str) -> str:
        with traced.tracer.start_as_current_span("SELECT"):
            return str(await search.ainvoke(query))

    await RunnableLambda(ask).ainvoke("cats", config=traced.config)
    traced.tracer.start_span("after").end()
    assert ["ask", "  SELECT", "    search", "      GET /search", "after"] == traced.tree()


async def test_a_sync_function_of_an_async_chain_runs_in_a_thread_under_its_span(
    traced: Traced,
) -> None:
    threads = []

    def work(x: str) -> str:
        threads.append(threading.current_thread())
        traced.tracer.start_span("inside").end()
        return x

    await RunnableLambda(work).ainvoke("x", config=traced.config)
    assert [threading.main_thread()] != threads
    assert ["work", "  inside"] == traced.tree()


class Calling(FakeListChatModel):
    """A model whose call makes a span, as an instrumented HTTP client would."""

    tracer: Any = None

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self.tracer.start_span("POST /chat").end()
        return ChatResult(generations=[ChatGeneration(message=AIMessage("x"))])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        await asyncio.sleep(0)
        return self._generate(*args, **kwargs)


class Searching(BaseRetriever):
    """A retriever whose query makes a span."""

    tracer: Any = None

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.tracer.start_span("SELECT").end()
        return []


async def test_the_request_of_a_model_and_of_a_retriever_hangs_below_its_call(
    traced: Traced,
) -> None:
    model = Calling(responses=["x"], tracer=traced.tracer)
    retriever = Searching(tracer=traced.tracer)
    with traced.tracer.start_as_current_span("request"):
        model.invoke("x", config=traced.config)
        await model.ainvoke("x", config=traced.config)
        retriever.invoke("x", config=traced.config)
        await retriever.ainvoke("x", config=traced.config)
        traced.tracer.start_span("after").end()
    assert [
        "request",
        "  Calling",
        "    POST /chat",
        "  Calling",
        "    POST /chat",
        "  Searching",
        "    SELECT",
        "  Searching",
        "    SELECT",
        "  after",
    ] == traced.tree()


async def test_after_async_calls_the_current_span_is_what_it_was(traced: Traced) -> None:
    model = Calling(responses=["x"], tracer=traced.tracer)
    for _ in range(100):
        await model.ainvoke("x", config=traced.config)
    assert not get_current_span().get_span_context().is_valid
    # Not 100 stand-ins that stand for each other.
    assert not hasattr(get_current_span()._self_before, "_self_before")  # type: ignore[attr-defined]
    assert 100 == len({span.context.trace_id for span in traced.spans()})


def test_the_consumer_of_a_stream_is_not_under_what_it_consumes(traced: Traced) -> None:
    for _ in answering(AIMessage("a b c")).stream("x", config=traced.config):
        traced.tracer.start_span("shown").end()
    for _ in chat_chain("abc").stream({"topic": "x"}, config=traced.config):
        traced.tracer.start_span("shown").end()
    assert 5 + 3 == traced.tree().count("shown")


async def test_nor_is_the_consumer_of_an_async_stream(traced: Traced) -> None:
    async for _ in answering(AIMessage("a b c")).astream("x", config=traced.config):
        traced.tracer.start_span("shown").end()
    async for _ in chat_chain("abc").astream({"topic": "x"}, config=traced.config):
        traced.tracer.start_span("shown").end()
    traced.tracer.start_span("after").end()
    assert 5 + 3 == traced.tree().count("shown")
    assert 1 == traced.tree().count("after")


def test_a_run_that_is_called_from_a_thread_without_context_has_langchains_parent(
    traced: Traced,
) -> None:
    inner = RunnableLambda(str.upper).with_config(run_name="inner")

    def outer(x: str, config: Any) -> str:
        answers: list[str] = []
        empty = contextvars.Context()
        thread = threading.Thread(
            target=empty.run, args=(lambda: answers.append(inner.invoke(x, config=config)),)
        )
        thread.start()
        thread.join()
        return answers[0]

    assert "CAT" == RunnableLambda(outer).invoke("cat", config=traced.config)
    assert ["outer", "  inner"] == traced.tree()


def test_a_model_inside_a_model_is_below_it(traced: Traced) -> None:
    inner = answering(AIMessage("x")).with_config(run_name="inner")

    class Wrapping(FakeListChatModel):
        def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
            return str(inner.invoke(messages, config=traced.config).content)

    assert "x" == Wrapping(responses=[]).invoke("hi", config=traced.config).content
    assert ["Wrapping", "  inner"] == traced.tree()


async def test_branches_in_parallel_do_not_see_each_others_span(traced: Traced) -> None:
    def named(name: str) -> RunnableLambda[str, str]:
        async def work(x: str) -> str:
            await asyncio.sleep(0.01)
            traced.tracer.start_span(f"in {name}").end()
            return x

        return RunnableLambda(work).with_config(run_name=name)  # type: ignore[return-value]

    names = ("a", "b", "c")
    await RunnableParallel({name: named(name) for name in names}).ainvoke("x", config=traced.config)
    parents = {span.context.span_id: span.name for span in traced.spans()}
    for name in names:
        above = traced.span(f"in {name}").parent
        assert above is not None
        assert name == parents[above.span_id]


def test_baggage_and_other_context_of_the_program_is_kept(traced: Traced) -> None:
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("tenant", "acme"))
    seen = []
    RunnableLambda(lambda x: seen.append(baggage.get_baggage("tenant"))).invoke(
        "x", config=traced.config
    )
    context.detach(token)
    assert ["acme"] == seen
