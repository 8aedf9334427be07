"""How runs end: in errors, cancelled, abandoned, or not at all."""

import asyncio
import contextlib
import gc
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableLambda, RunnableParallel
from opentelemetry.trace import StatusCode, get_current_span

from flujo_otel.integrations.langchain import callback as callbacks
from flujo_otel.integrations.langchain import open_runs
from support.langchain_runs import Traced, answering, chat_chain


class Hanging(FakeListChatModel):
    """A model that never answers."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        await asyncio.sleep(3600)
        raise AssertionError


def test_an_error_is_recorded_where_it_arose_and_propagates(traced: Traced) -> None:
    def fails(x: str) -> str:
        raise ValueError("sour milk")

    chain = RunnableLambda(str.upper) | RunnableLambda(fails)
    with pytest.raises(ValueError, match="sour milk"):
        chain.invoke("x", config=traced.config)
    for name in ("RunnableSequence", "fails"):
        span = traced.span(name)
        assert (StatusCode.ERROR, "ValueError: sour milk") == (
            span.status.status_code,
            span.status.description,
        )
        facts = traced.facts(name)
        assert ("ValueError", "ValueError", "ValueError: sour milk") == (
            facts["error.type"],
            facts["error_type"],
            facts["flujo.error"],
        )
    assert (["exception"], []) == (traced.events("fails"), traced.events("RunnableSequence"))
    (event,) = traced.span("fails").events
    assert "in fails" in str((event.attributes or {})["exception.stacktrace"])


async def test_an_error_of_a_model_keeps_what_was_asked(traced: Traced) -> None:
    model = FakeListChatModel(responses=["abc"], error_on_chunk_number=1)
    with pytest.raises(Exception, match=r"^$"):
        [chunk async for chunk in model.astream("x", config=traced.config)]
    assert [{"role": "user", "content": "x"}] == traced.value("FakeListChatModel", "input.value")
    assert StatusCode.ERROR is traced.span("FakeListChatModel").status.status_code
    assert ["gen_ai.first_token", "exception"] == traced.events("FakeListChatModel")


def test_a_secret_in_an_error_is_redacted(traced: Traced) -> None:
    secret = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 2

    def fails(x: str) -> str:
        raise ValueError(f"refused: {x}")

    with pytest.raises(ValueError, match=secret):
        RunnableLambda(fails).invoke(secret, config=traced.config)
    span = traced.span("fails")
    said = span.status.description, dict(span.attributes or {}), span.events[0].attributes
    recorded = str(said)
    assert secret not in recorded
    assert "[REDACTED]" in recorded


async def test_a_chain_that_is_cancelled_is_closed_with_all_below_it(traced: Traced) -> None:
    chain = RunnableLambda(str.upper) | Hanging(responses=[])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(chain.ainvoke("x", config=traced.config), 0.05)
    assert ["RunnableSequence", "  upper", "  Hanging"] == traced.tree()
    assert "CancelledError" == traced.facts("RunnableSequence")["error.type"]
    facts = traced.facts("Hanging")
    assert (True, "CancelledError") == (facts["langchain.unfinished"], facts["error.type"])


async def test_of_parallel_branches_one_that_fails_leaves_the_others_be(traced: Traced) -> None:
    async def slow(x: str) -> str:
        await asyncio.sleep(0.05)
        return x

    async def fails(x: str) -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await RunnableParallel(a=slow, b=fails).ainvoke("x", config=traced.config)
    await asyncio.sleep(0.1)
    assert StatusCode.UNSET is traced.span("slow").status.status_code
    assert "langchain.unfinished" not in traced.facts("slow")


async def test_a_model_call_that_is_cancelled_on_its_own_is_closed_with_the_next_run(
    traced: Traced,
) -> None:
    """LangChain itself tells no end of it."""
    with traced.tracer.start_as_current_span("request"):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Hanging(responses=[]).ainvoke("x", config=traced.config), 0.05)
        await asyncio.sleep(0)  # Python 3.13 runs it in this task, which holds it until then
        gc.collect()
        traced.tracer.start_span("after").end()
        chat_chain("x").invoke({"topic": "x"}, config=traced.config)
    assert ["request", "  Hanging", "  after", "  RunnableSequence"] == traced.tree()[:4]
    span = traced.span("Hanging")
    assert (True, StatusCode.ERROR) == (
        traced.facts("Hanging")["langchain.unfinished"],
        span.status.status_code,
    )
    assert (span.end_time or 0) <= (traced.span("after").start_time or 0)


async def test_after_a_cancelled_call_in_the_same_task_the_current_span_is_what_it_was(
    traced: Traced,
) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await Hanging(responses=[]).ainvoke("x", config=traced.config)
    await chat_chain("x").ainvoke({"topic": "x"}, config=traced.config)
    assert ["Hanging", "RunnableSequence"] == traced.tree()[:2]
    assert not get_current_span().get_span_context().is_valid
    assert True is traced.facts("Hanging")["langchain.unfinished"]


def test_a_stream_that_its_consumer_leaves_is_no_failure(traced: Traced) -> None:
    stream: Any = chat_chain("a long answer").stream({"topic": "x"}, config=traced.config)
    assert "a" == next(stream)
    stream.close()
    for span in traced.spans():
        assert StatusCode.UNSET is span.status.status_code, span.name


def test_a_run_that_never_ends_is_closed_where_too_many_are_open(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_runs, "MAX_OPEN_RUNS", 10)
    ids = [uuid4() for _ in range(25)]
    for run_id in ids:
        traced.callback.on_chain_start({}, {}, run_id=run_id, name="endless")
    assert 10 == len(traced.callback._open)
    assert 15 == len(traced.spans())
    assert all((s.attributes or {})["langchain.unfinished"] for s in traced.spans())
    traced.callback.close()
    assert 25 == len(traced.spans())


def test_an_end_that_comes_twice_or_for_nothing_is_ignored(traced: Traced) -> None:
    run_id = uuid4()
    traced.callback.on_chain_end({}, run_id=run_id)
    traced.callback.on_chain_start({}, {}, run_id=run_id, name="once")
    traced.callback.on_chain_end({}, run_id=run_id)
    traced.callback.on_chain_error(ValueError("late"), run_id=run_id)
    assert ["once"] == traced.tree()
    assert StatusCode.UNSET is traced.span("once").status.status_code


def test_an_unknown_parent_is_no_trouble(traced: Traced) -> None:
    run_id, parent = uuid4(), UUID(int=7)
    traced.callback.on_chain_start({}, {}, run_id=run_id, parent_run_id=parent, name="orphan")
    traced.callback.on_chain_end({}, run_id=run_id)
    assert ["orphan"] == traced.tree()


async def test_events_that_the_program_dispatches_are_events_of_the_span(traced: Traced) -> None:
    def work(x: str) -> str:
        dispatch_custom_event("progress", {"done": 3})
        return x

    RunnableLambda(work).invoke("x", config=traced.config)
    (event,) = traced.span("work").events
    assert ("progress", '{"done": 3}') == (event.name, (event.attributes or {})["langchain.data"])


def test_a_fault_of_ours_never_reaches_the_program(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    callback = traced.another()

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("ours")

    callback._making = Broken()  # type: ignore[assignment]
    answer = chat_chain("meow").invoke({"topic": "x"}, config={"callbacks": [callback]})
    assert "meow" == answer
    assert [] == traced.spans()


def test_a_run_ends_though_what_it_gave_cannot_be_recorded(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    callback = traced.another()
    monkeypatch.setattr(callbacks, "plain", lambda value: 1 / 0)
    assert "X" == RunnableLambda(str.upper).invoke("x", config={"callbacks": [callback]})
    assert ["upper"] == traced.tree()
    assert 0 == len(callback._open)


def test_langgraphs_interrupt_is_a_pause_and_no_failure(traced: Traced) -> None:
    class GraphInterrupt(Exception):  # its name is what is known of it: langgraph is no dependency
        pass

    def asks(x: str) -> str:
        raise GraphInterrupt("Shall I?")

    with pytest.raises(GraphInterrupt):
        RunnableLambda(asks).invoke("x", config=traced.config)
    assert "paused" == traced.facts("asks")["flujo.status"]
    assert StatusCode.UNSET is traced.span("asks").status.status_code


def test_what_langgraph_asks_is_content(traced: Traced) -> None:
    class GraphInterrupt(Exception):
        pass

    class Interrupt:
        value: ClassVar = {"password": "hunter2", "send": "this?"}

    def asks(x: str) -> str:
        raise GraphInterrupt((Interrupt(),))

    for content, said in (
        (True, {"flujo.message": '{"password": "[REDACTED]", "send": "this?"}'}),
        (False, {}),
    ):
        callback = traced.another(content=content)
        with pytest.raises(GraphInterrupt):
            RunnableLambda(asks).invoke("x", config={"callbacks": [callback]})
        (event,) = traced.spans()[-1].events
        assert said == dict(event.attributes or {})


def test_memory_stays_bounded_over_many_runs(traced: Traced) -> None:
    chain = answering(*[AIMessage("x")] * 500) | RunnableLambda(lambda x: x)
    traced.provider.shutdown()
    for _ in range(500):
        chain.invoke("x", config=traced.config)
    assert 0 == len(traced.callback._open)
