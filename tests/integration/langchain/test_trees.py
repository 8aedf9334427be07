"""Every run of LangChain is a span under the run that called it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from opentelemetry.trace import StatusCode

from support.langchain_runs import Traced, chat_chain


def test_a_chain_is_a_tree_of_its_runs(traced: Traced) -> None:
    answer = chat_chain("meow").invoke({"topic": "cats"}, config=traced.config)
    assert "meow" == answer
    assert [
        "RunnableSequence",
        "  ChatPromptTemplate",
        "  FakeListChatModel",
        "  StrOutputParser",
    ] == traced.tree()


async def test_an_async_chain_is_the_same_tree(traced: Traced) -> None:
    answer = await chat_chain("meow").ainvoke({"topic": "cats"}, config=traced.config)
    assert "meow" == answer
    assert [
        "RunnableSequence",
        "  ChatPromptTemplate",
        "  FakeListChatModel",
        "  StrOutputParser",
    ] == traced.tree()


def test_a_text_model_is_a_run_of_its_own(traced: Traced) -> None:
    chain = PromptTemplate.from_template("Tell of {topic}") | FakeListLLM(responses=["purr"])
    chain.invoke({"topic": "cats"}, config=traced.config)
    assert ["RunnableSequence", "  PromptTemplate", "  FakeListLLM"] == traced.tree()
    facts = traced.facts("FakeListLLM")
    assert "text_completion" == facts["gen_ai.operation.name"]
    assert ("Tell of cats", "purr") == (facts["input.value"], facts["output.value"])


def test_parallel_branches_say_which_they_are(traced: Traced) -> None:
    both = RunnableParallel(
        upper=RunnableLambda(str.upper).with_config(run_name="up"),
        length=RunnableLambda(len).with_config(run_name="size"),
    )
    assert {"upper": "CAT", "length": 3} == both.invoke("cat", config=traced.config)
    assert {"RunnableParallel<upper,length>", "  up", "  size"} == set(traced.tree())
    assert "upper" == traced.facts("up")["flujo.branch"]
    assert "length" == traced.facts("size")["flujo.branch"]


def test_a_branch_shows_its_conditions_and_the_one_that_it_took(traced: Traced) -> None:
    branch: Runnable[Any, Any] = RunnableBranch(
        (RunnableLambda(lambda x: x < 0).with_config(run_name="negative?"), lambda x: -x),
        (RunnableLambda(lambda x: x > 9).with_config(run_name="large?"), lambda x: 9),
        RunnableLambda(lambda x: x).with_config(run_name="as it is"),
    )
    assert 5 == branch.invoke(5, config=traced.config)
    assert ["RunnableBranch", "  negative?", "  large?", "  as it is"] == traced.tree()
    assert "condition 2" == traced.facts("large?")["flujo.branch"]
    assert "branch default" == traced.facts("as it is")["flujo.branch"]


def test_a_retry_shows_each_attempt(traced: Traced) -> None:
    attempts = iter([ValueError("sour milk"), None])

    def pour(x: str) -> str:
        if error := next(attempts):
            raise error
        return x

    retried = RunnableLambda(pour).with_retry(wait_exponential_jitter=False)
    assert "milk" == retried.invoke("milk", config=traced.config)
    assert ["pour", "  pour", "  pour"] == traced.tree()
    whole, first, second = traced.spans()
    assert StatusCode.ERROR is first.status.status_code
    assert 2 == (second.attributes or {})["flujo.attempt_number"]
    assert StatusCode.UNSET is whole.status.status_code
    assert 2 == (whole.attributes or {})["flujo.attempts"]


@pytest.mark.parametrize("inside", [False, True])
async def test_a_fallback_stands_beside_what_failed(traced: Traced, inside: bool) -> None:
    def fails(x: str) -> str:
        raise ValueError("no")

    chain = RunnableLambda(fails).with_fallbacks([RunnableLambda(str.upper)])
    if inside:
        outer = RunnableLambda(str.strip) | chain
        assert "CAT" == await outer.ainvoke("cat", config=traced.config)
        tree = ["RunnableSequence", "  strip", "  RunnableWithFallbacks", "    fails", "    upper"]
    else:
        assert "CAT" == chain.invoke("cat", config=traced.config)
        tree = ["RunnableWithFallbacks", "  fails", "  upper"]
    assert tree == traced.tree()
    assert StatusCode.ERROR is traced.span("fails").status.status_code
    facts = traced.facts("RunnableWithFallbacks")
    assert True is facts["flujo.fallback.triggered"]
    assert "ValueError: no" == facts["flujo.fallback.original_error"]


def test_a_function_that_calls_a_runnable_has_it_below(traced: Traced) -> None:
    inner = RunnableLambda(str.upper).with_config(run_name="inner")
    outer = RunnableLambda(lambda x: inner.invoke(x + "s")[:-1]).with_config(run_name="outer")
    assert "CAT" == outer.invoke("cat", config=traced.config)
    assert ["outer", "  inner"] == traced.tree()


def test_a_batch_is_a_run_each(traced: Traced) -> None:
    assert ["A", "B"] == RunnableLambda(str.upper).batch(["a", "b"], config=traced.config)
    assert ["upper", "upper"] == traced.tree()
    assert 2 == len({span.context.trace_id for span in traced.spans()})


async def test_an_async_batch_under_a_span_is_its_children(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("outer"):
        await chat_chain("x").abatch([{"topic": "a"}, {"topic": "b"}], config=traced.config)
    assert 1 == len({span.context.trace_id for span in traced.spans()})
    assert 2 == traced.tree().count("  RunnableSequence")
    assert 2 == traced.tree().count("    FakeListChatModel")


def test_one_callback_serves_many_threads_at_once(traced: Traced) -> None:
    chain = chat_chain("x") | RunnablePassthrough()

    def call(number: int) -> None:
        with traced.tracer.start_as_current_span(f"request {number}"):
            chain.invoke({"topic": str(number)}, config=traced.config)

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(call, range(40)))
    tree = traced.tree()
    below = [
        "  RunnableSequence",
        "    ChatPromptTemplate",
        "    FakeListChatModel",
        "    StrOutputParser",
        "    RunnablePassthrough",
    ]
    assert 40 * 6 == len(tree)
    for start in range(0, len(tree), 6):
        assert below == tree[start + 1 : start + 6]


async def test_one_callback_serves_many_tasks_at_once(traced: Traced) -> None:
    async def call(number: int) -> None:
        with traced.tracer.start_as_current_span(f"request {number}"):
            await chat_chain("x").ainvoke({"topic": str(number)}, config=traced.config)
            traced.tracer.start_span("after").end()

    await asyncio.gather(*(call(number) for number in range(20)))
    tree = traced.tree()
    for start in range(0, len(tree), 6):
        assert tree[start].startswith("request")
        assert "  after" == tree[start + 5]


def test_a_tool_is_a_span_with_its_input_and_output(traced: Traced) -> None:
    @tool
    def double(number: int) -> int:
        """Twice the number."""
        return number * 2

    assert 6 == double.invoke({"number": 3}, config=traced.config)
    facts = traced.facts("double")
    assert "TOOL" == facts["openinference.span.kind"]
    assert "execute_tool" == facts["gen_ai.operation.name"]
    assert ("double", "Twice the number.") == (
        facts["gen_ai.tool.name"],
        facts["gen_ai.tool.description"],
    )
    assert {"number": 3} == traced.value("double", "input.value")
    assert 6 == traced.value("double", "output.value")


def test_a_tool_call_keeps_its_id_and_a_handled_error_is_one(traced: Traced) -> None:
    from langchain_core.tools import ToolException

    @tool
    def fails(number: int) -> int:
        """Never works."""
        raise ToolException("out of milk")

    fails.handle_tool_error = True
    call = {"name": "fails", "args": {"number": 3}, "id": "call_7", "type": "tool_call"}
    message = fails.invoke(call, config=traced.config)
    assert "error" == message.status
    assert "call_7" == traced.facts("fails")["gen_ai.tool.call.id"]
    assert "out of milk" == traced.facts("fails")["output.value"]
    assert StatusCode.ERROR is traced.span("fails").status.status_code


@pytest.mark.parametrize("under_a_span", [True, False])
def test_a_chain_is_a_run_of_its_own_only_where_nothing_is_above(
    traced: Traced, under_a_span: bool
) -> None:
    chain = chat_chain("x").with_config(run_name="answer")
    if under_a_span:
        with traced.tracer.start_as_current_span("request"):
            chain.invoke({"topic": "cats"}, config=traced.config)
    else:
        chain.invoke({"topic": "cats"}, config=traced.config)
    facts = traced.facts("answer")
    assert (None if under_a_span else "answer") == facts.get("flujo.pipeline.name")
    assert "flujo.run_id" not in facts
    steps = [(s.attributes or {}).get("flujo.step.index") for s in traced.spans()[-3:]]
    assert ([None] * 3 if under_a_span else [0, 1, 2]) == steps


def test_the_programs_tags_and_metadata_are_kept_and_langchains_are_not(traced: Traced) -> None:
    config = {**traced.config, "tags": ["nightly"], "metadata": {"thread_id": 7, "user_id": "u"}}
    chat_chain("x").invoke({"topic": "cats"}, config=config)
    facts = traced.facts("ChatPromptTemplate")
    assert ("nightly",) == facts["tag.tags"]
    assert ("7", "u") == (facts["session.id"], facts["user.id"])
    assert {"thread_id": 7, "user_id": "u"} == traced.value("ChatPromptTemplate", "metadata")


def test_nothing_is_traced_where_instrumentation_is_suppressed(traced: Traced) -> None:
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    with suppress_instrumentation():
        chat_chain("x").invoke({"topic": "cats"}, config=traced.config)
    assert [] == traced.tree()


def test_the_chain_of_prompt_model_and_parser_runs_without_a_callback_as_before() -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{topic}")])
    chain = prompt | FakeListChatModel(responses=["x"]) | StrOutputParser()
    assert "x" == chain.invoke({"topic": "cats"})
