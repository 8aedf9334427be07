"""What a span says of a call of a model: the request, the answer, its tokens, a stream of them."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import Generation, LLMResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool

from support.langchain_runs import Described, Traced, answering, chat_chain

USAGE = {
    "input_tokens": 30,
    "output_tokens": 12,
    "total_tokens": 42,
    "input_token_details": {"cache_read": 20, "cache_creation": 5},
    "output_token_details": {"reasoning": 4},
}


def test_a_model_says_which_it_is_and_how_it_was_asked(traced: Traced) -> None:
    Described(responses=["x"]).invoke("hello", config=traced.config, stop=["END"])
    facts = traced.facts("chat gpt-4o-mini")
    expected = {
        "openinference.span.kind": "LLM",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "llm.model_name": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.stop_sequences": ("END",),
    }
    assert expected == {name: facts[name] for name in expected}
    assert "gpt-4o-mini" == traced.value("chat gpt-4o-mini", "llm.invocation_parameters")["model"]


def test_a_run_name_of_the_program_goes_before_the_models(traced: Traced) -> None:
    Described(responses=["x"]).invoke("hello", config={**traced.config, "run_name": "judge"})
    assert ["judge"] == traced.tree()


def test_the_conversation_and_the_answer_are_recorded(traced: Traced) -> None:
    calls = [{"name": "search", "args": {"q": "cats"}, "id": "call_1", "type": "tool_call"}]
    answering(AIMessage("They purr.")).invoke(
        [
            SystemMessage("Be brief."),
            HumanMessage("What do cats do?"),
            AIMessage("", tool_calls=calls),
            ToolMessage("purring", tool_call_id="call_1"),
        ],
        config=traced.config,
    )
    name = "GenericFakeChatModel"
    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What do cats do?"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "purring", "tool_call_id": "call_1"},
    ] == traced.value(name, "input.value")
    assert {
        "role": "assistant",
        "parts": [
            {"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"q": "cats"}}
        ],
    } == traced.value(name, "gen_ai.input.messages")[2]
    assert ("They purr.", "text/plain") == (
        traced.facts(name)["output.value"],
        traced.facts(name)["output.mime_type"],
    )
    assert [
        {"role": "assistant", "parts": [{"type": "text", "content": "They purr."}]}
    ] == traced.value(name, "gen_ai.output.messages")


def test_an_answer_that_calls_tools_is_recorded_with_them(traced: Traced) -> None:
    calls = [{"name": "search", "args": {"q": "cats"}, "id": "call_1", "type": "tool_call"}]
    answering(AIMessage("", tool_calls=calls)).invoke("cats?", config=traced.config)
    assert calls == traced.value("GenericFakeChatModel", "output.value")["tool_calls"]


def test_usage_with_its_details_is_said_in_both_vocabularies(traced: Traced) -> None:
    said = {"model_name": "gpt-4o-mini-2024", "finish_reason": "stop", "id": "chatcmpl-7"}
    answering(AIMessage("x", usage_metadata=USAGE, response_metadata=said)).invoke(
        "hello", config=traced.config
    )
    facts = traced.facts("GenericFakeChatModel")
    expected = {
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 12,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "llm.token_count.prompt": 30,
        "llm.token_count.completion": 12,
        "llm.token_count.total": 42,
        "llm.token_count.prompt_details.cache_read": 20,
        "llm.token_count.prompt_details.cache_write": 5,
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.id": "chatcmpl-7",
    }
    assert expected == {name: facts[name] for name in expected}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, (3, 4, 7, None)),
        ({"input_tokens": 3, "output_tokens": 4}, (3, 4, None, None)),
        ({"total_tokens": 7}, (None, None, 7, None)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 6}},
            (9, None, None, 6),
        ),
        ({"input_tokens": 9, "cache_read_input_tokens": 6}, (15, None, None, 6)),
        ({"prompt_token_count": 9, "cached_content_token_count": 6}, (9, None, None, 6)),
        ({"prompt_token_count": 3, "candidates_token_count": 4}, (3, 4, None, None)),
        ({"prompt_tokens": "many", "total_tokens": True}, (None, None, None, None)),
    ],
)
@pytest.mark.parametrize("place", ["token_usage", "usage"])
def test_older_spellings_of_usage_are_read(
    traced: Traced, usage: dict[str, Any], expected: tuple[Any, ...], place: str
) -> None:
    model = Described(responses=["x"], llm_output={place: usage, "model_name": "gpt-3.5"})
    model.invoke("hello", config=traced.config)
    facts = traced.facts("chat gpt-4o-mini")
    names = (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "llm.token_count.total",
        "gen_ai.usage.cache_read.input_tokens",
    )
    assert expected == tuple(facts.get(name) for name in names)
    assert "gpt-3.5" == facts["gen_ai.response.model"]


def test_usage_of_a_text_model_is_read(traced: Traced) -> None:
    class Counting(FakeListLLM):
        def _generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
            usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
            return LLMResult(
                generations=[[Generation(text="x", generation_info={"finish_reason": "length"})]],
                llm_output={"token_usage": usage},
            )

    Counting(responses=["x"]).invoke("hello", config=traced.config)
    facts = traced.facts("Counting")
    assert (3, 4) == (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"])
    assert ("length",) == facts["gen_ai.response.finish_reasons"]


def test_a_stream_is_one_event_and_a_count_however_long(traced: Traced) -> None:
    text = "purr " * 5_000
    chunks = list(answering(AIMessage(text)).stream("hello", config=traced.config))
    name = "GenericFakeChatModel"
    assert text == "".join(str(chunk.content) for chunk in chunks)
    assert ["gen_ai.first_token"] == traced.events(name)
    facts = traced.facts(name)
    assert 9_000 < facts["langchain.chunk_count"]
    assert True is facts["gen_ai.request.stream"]
    assert 0 <= facts["gen_ai.response.time_to_first_chunk"] < 60
    assert text == facts["output.value"]


async def test_an_async_stream_of_a_chain_records_what_was_streamed(traced: Traced) -> None:
    chunks = [c async for c in chat_chain("meow").astream({"topic": "cats"}, config=traced.config)]
    assert "meow" == "".join(chunks)
    assert ["gen_ai.first_token"] == traced.events("FakeListChatModel")
    assert "meow" == traced.facts("RunnableSequence")["output.value"]
    assert {"topic": "cats"} == traced.value("RunnableSequence", "input.value")


class Shelf(BaseRetriever):
    """A retriever of fixed documents."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.documents


CATS = [
    Document("Cats purr.", id="d7", metadata={"score": 0.9, "source": "cats.md"}),
    Document("Cats sleep.", metadata={"relevance_score": 0.5, "source": "sleep.md"}),
]


async def test_a_retriever_says_what_it_found_and_how_it_was_ranked(traced: Traced) -> None:
    await Shelf(documents=CATS).ainvoke("cats", config=traced.config)
    facts = traced.facts("Shelf")
    assert ("RETRIEVER", "retrieval", "cats") == (
        facts["openinference.span.kind"],
        facts["gen_ai.operation.name"],
        facts["gen_ai.retrieval.query.text"],
    )
    assert ["Cats purr.", "Cats sleep."] == [
        document["content"] for document in traced.value("Shelf", "output.value")
    ]
    assert [{"id": "d7", "score": 0.9}, {"score": 0.5}] == traced.value(
        "Shelf", "gen_ai.retrieval.documents"
    )
    assert [("d7", 1, 0.9), ("sleep.md", 2, 0.5)] == [
        (item["item_id"], item["rank"], item["score"])
        for item in traced.value("Shelf", "xray.ranked_candidates")
    ]


def test_documents_without_scores_are_no_ranking(traced: Traced) -> None:
    Shelf(documents=[Document("Cats purr.")]).invoke("cats", config=traced.config)
    assert "xray.ranked_candidates" not in traced.facts("Shelf")


def test_without_content_nothing_of_what_was_said_is_recorded(traced: Traced) -> None:
    callback = traced.another(content=False)
    chat_chain("meow").invoke({"topic": "cats"}, config={"callbacks": [callback]})
    recorded = str([dict(span.attributes or {}) for span in traced.spans()])
    assert 4 == len(traced.spans())
    assert "meow" not in recorded
    assert "cats" not in recorded
    assert "Be brief." not in recorded


def test_long_values_are_cut_and_it_is_said(traced: Traced) -> None:
    callback = traced.another(value_limit_bytes=200)
    text = "ü" * 10_000
    answering(AIMessage(text)).invoke(text, config={"callbacks": [callback]})
    facts = traced.facts("GenericFakeChatModel")
    for name in ("input.value", "output.value", "gen_ai.input.messages"):
        assert len(facts[name].encode()) <= 200, name
    assert facts["output.value"].endswith("characters cut")
    assert 4 == facts["flujo.truncated"]


def test_secrets_are_redacted_wherever_they_stand(traced: Traced) -> None:
    secret = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 2
    model = answering(AIMessage(f"Your key is {secret}"))
    config = {**traced.config, "metadata": {"api_key": secret}, "tags": [secret]}
    chain = chat_chain("x") | (lambda said: model.invoke(f"{said} api_key={secret}"))
    chain.with_config(run_name=f"for {secret}").invoke({"topic": secret}, config=config)
    tool(description=f"Asks by {secret}")(_ask).invoke({"what": "x"}, config=config)
    recorded = str([(span.name, dict(span.attributes or {})) for span in traced.spans()])
    assert secret not in recorded
    assert "[REDACTED]" in recorded


def _ask(what: str) -> str:
    return what
