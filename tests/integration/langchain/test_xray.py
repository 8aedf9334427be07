"""LangChain inside X-Ray: under the trace or step that the callback was given."""

import contextvars
import threading
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace as otel

from flujo_otel.integrations.langchain import XRayLangChainCallback
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.xray import XRay
from support.langchain_runs import Traced, chat_chain


@pytest.fixture
def xray(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> XRay:
    monkeypatch.setattr(otel, "get_tracer_provider", lambda: traced.provider)
    return XRay()


def test_a_chain_hangs_under_the_step_that_is_open_where_it_begins(
    traced: Traced, xray: XRay
) -> None:
    with xray.trace("answer") as trace:
        config: Any = {"callbacks": [traced.another(trace)]}
        chat_chain("x").invoke({"topic": "cats"}, config=config)
        with trace.step("summarise"):
            chat_chain("y").invoke({"topic": "dogs"}, config=config)
    chain = ["RunnableSequence", "  ChatPromptTemplate", "  FakeListChatModel", "  StrOutputParser"]
    assert [
        "answer",
        *("  " + line for line in chain),
        "  summarise",
        *("    " + line for line in chain),
    ] == traced.tree()


def test_in_a_thread_without_context_a_chain_hangs_under_the_trace_all_the_same(
    traced: Traced, xray: XRay
) -> None:
    with xray.trace("answer") as trace:
        config: Any = {"callbacks": [traced.another(trace)]}
        call = RunnableLambda(str.upper).with_config(run_name="call").invoke
        thread = threading.Thread(target=contextvars.Context().run, args=(call, "x", config))
        thread.start()
        thread.join()
    assert ["answer", "  call"] == traced.tree()


def test_a_callback_of_a_step_keeps_to_that_step(traced: Traced, xray: XRay) -> None:
    call = RunnableLambda(str.upper).with_config(run_name="call")
    with xray.trace("answer") as trace:
        first = trace.step("first").__enter__()
        config: Any = {"callbacks": [traced.another(first)]}
        with first.nested("inside"):
            call.invoke("x", config=config)
        first.suspend()
        with trace.step("second"):
            call.invoke("x", config=config)
        first.finish()
    assert [
        "answer",
        "  first",
        "    inside",
        "      call",
        "    call",
        "  second",
    ] == traced.tree()


def test_no_run_of_langchain_is_a_run_or_step_of_its_own_there(traced: Traced, xray: XRay) -> None:
    with xray.trace("answer") as trace:
        chat_chain("x").invoke({"topic": "cats"}, config={"callbacks": [traced.another(trace)]})
    for name in ("RunnableSequence", "FakeListChatModel"):
        facts = traced.facts(name)
        assert "flujo.pipeline.name" not in facts
        assert "flujo.step.type" not in facts


def test_a_step_opened_inside_a_function_of_a_chain_is_in_its_place(
    traced: Traced, xray: XRay
) -> None:
    inner = RunnableLambda(str.upper).with_config(run_name="inner")
    with xray.trace("answer") as trace:

        def decide(x: str) -> str:
            with trace.step("decide"):
                return inner.invoke(x)

        chain = RunnableLambda(decide).with_config(run_name="chain")
        chain.invoke("x", config={"callbacks": [traced.another(trace)]})
    assert ["answer", "  chain", "    decide", "      inner"] == traced.tree()


def test_what_has_not_ended_is_closed_with_the_trace(traced: Traced, xray: XRay) -> None:
    with xray.trace("answer") as trace:
        callback = traced.another(trace)
        stream: Any = chat_chain("a long answer").stream(
            {"topic": "x"}, config={"callbacks": [callback]}
        )
        next(stream)
    assert 0 == len(callback._open)
    assert True is traced.facts("RunnableSequence")["langchain.unfinished"]
    stream.close()


def test_after_the_end_of_its_trace_a_callback_records_runs_of_their_own(
    traced: Traced, xray: XRay
) -> None:
    with xray.trace("answer") as trace:
        callback = traced.another(trace)
    chat_chain("x").invoke({"topic": "x"}, config={"callbacks": [callback]})
    assert "RunnableSequence" == traced.facts("RunnableSequence")["flujo.pipeline.name"]


def test_a_span_may_be_given_instead(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request") as span:
        pass
    chat_chain("x").invoke({"topic": "x"}, config={"callbacks": [traced.another(span)]})
    assert ["request", "  RunnableSequence"] == traced.tree()[:2]


def test_anything_else_is_refused_with_what_to_give() -> None:
    with pytest.raises(TypeError, match="an open X-Ray trace or step, or a span, not a dict"):
        XRayLangChainCallback({"trace": 1})


def test_where_nobody_records_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(otel, "get_tracer_provider", otel.ProxyTracerProvider)
    with XRay(storage=SQLiteStorage(":memory:")).trace("workflow") as trace:
        XRayLangChainCallback(trace)
        XRayLangChainCallback(trace)
    [said] = [record.message for record in caplog.records]
    assert "flujo_otel.configure()" in said
