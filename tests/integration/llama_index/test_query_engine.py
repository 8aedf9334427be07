"""A query of a real query engine is one tree, a run of its own or part of the one around it."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.llms import LLMMetadata, MockLLM
from opentelemetry.trace import StatusCode

from flujo_otel.integrations.adopted import RunProvider
from flujo_otel.integrations.llama_index import LlamaIndexInstrumentor
from flujo_otel.integrations.llama_index.library import LlamaIndex
from flujo_otel.recording.choice import Recording
from support.llama_index_runs import Indexed

# OpenInference's own use of pydantic; as an error it would cost the spans of the model's calls.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")

SECRET = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 2


class Named(MockLLM):
    """A model with a name."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(num_output=8, model_name="parrot")


class Failing(MockLLM):
    """A model whose call fails."""

    def complete(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"sour milk, api_key={SECRET}")


def test_a_query_is_a_run_with_retrieval_and_synthesis_as_its_steps(indexed: Indexed) -> None:
    indexed.engine().query("What do cats do?")
    tree = indexed.tree()
    assert ["RetrieverQueryEngine.query", "  RetrieverQueryEngine._query"] == tree[:2]
    for line in ("    VectorIndexRetriever.retrieve", "    CompactAndRefine.synthesize"):
        assert line in tree
    assert any(line.endswith("MockLLM.complete") for line in tree)
    assert any(line.endswith("MockEmbedding.get_query_embedding") for line in tree)
    facts = indexed.facts("RetrieverQueryEngine.query")
    assert "RetrieverQueryEngine.query" == facts["flujo.pipeline.name"]
    assert "What do cats do?" == facts["input.value"]
    assert " ".join(["text"] * 8) == facts["output.value"]
    steps = {
        span.name: (span.attributes or {})["flujo.step.index"]
        for span in indexed.spans()
        if "flujo.step.type" in (span.attributes or {})
    }
    assert {"VectorIndexRetriever.retrieve": 0, "CompactAndRefine.synthesize": 1} == steps


async def test_an_async_query_is_the_same(indexed: Indexed) -> None:
    await indexed.engine().aquery("What do cats do?")
    indexed.tracer.start_span("after").end()
    tree = indexed.tree()
    assert ["RetrieverQueryEngine.aquery", "  RetrieverQueryEngine._aquery"] == tree[:2]
    assert "    CompactAndRefine.asynthesize" in tree
    assert "after" == tree[-1]
    assert 1 == indexed.facts("CompactAndRefine.asynthesize")["flujo.step.index"]


def test_under_a_span_a_query_is_part_of_the_run_around_it(indexed: Indexed) -> None:
    with indexed.tracer.start_as_current_span("request"):
        indexed.engine().query("What do cats do?")
    assert ["request", "  RetrieverQueryEngine.query"] == indexed.tree()[:2]
    recorded = [dict(span.attributes or {}) for span in indexed.spans()]
    assert [] == [facts for facts in recorded if "flujo.pipeline.name" in facts]
    assert [] == [facts for facts in recorded if "flujo.step.type" in facts]


def test_a_streamed_answer_ends_its_run_when_it_was_read(indexed: Indexed) -> None:
    answer = indexed.engine(streaming=True).query("What do cats do?")
    assert [] == [name for name in indexed.tree() if name == "RetrieverQueryEngine.query"]
    for _ in answer.response_gen:
        indexed.tracer.start_span("shown").end()
    assert 8 == indexed.tree().count("shown")
    assert "RetrieverQueryEngine.query" in indexed.tree()
    names = {event.name for span in indexed.spans() for event in span.events}
    assert {"First Token Stream Event"} == names


async def test_queries_at_once_are_runs_of_their_own(indexed: Indexed) -> None:
    engine = indexed.engine()
    await asyncio.gather(*(engine.aquery(f"number {number}") for number in range(5)))
    roots = [span for span in indexed.spans() if span.name == "RetrieverQueryEngine.aquery"]
    assert 5 == len(roots)
    assert 5 == len({span.context.trace_id for span in roots})
    by_trace: dict[int, int] = {}
    for span in indexed.spans():
        by_trace[span.context.trace_id] = by_trace.get(span.context.trace_id, 0) + 1
    assert 1 == len(set(by_trace.values())), "each has all of its own spans"


def test_an_error_is_recorded_and_propagates_its_secrets_redacted(indexed: Indexed) -> None:
    with pytest.raises(RuntimeError, match="sour milk"):
        indexed.engine(Failing(max_tokens=8)).query("What do cats do?")
    span = indexed.span("Failing.complete")
    assert StatusCode.ERROR is span.status.status_code
    assert StatusCode.ERROR is indexed.span("RetrieverQueryEngine.query").status.status_code
    assert ["exception"] == indexed.events("Failing.complete")
    facts = indexed.facts("Failing.complete")
    assert ("RuntimeError", "RuntimeError") == (facts["error.type"], facts["error_type"])
    recorded = str(
        [
            (s.status.description, s.attributes, [e.attributes for e in s.events])
            for s in indexed.spans()
        ]
    )
    assert SECRET not in recorded
    assert "[REDACTED]" in recorded


def test_what_was_retrieved_is_a_ranking(indexed: Indexed) -> None:
    indexed.engine().query("What do cats do?")
    ranking = indexed.value("VectorIndexRetriever.retrieve", "xray.ranked_candidates")
    assert [(1, 1.0), (2, 1.0)] == [(item["rank"], item["score"]) for item in ranking]
    assert {"cats purr", "dogs bark"} == {item["item_data"]["content"] for item in ranking}


def test_the_model_is_named_in_opentelemetrys_words_too(indexed: Indexed) -> None:
    indexed.engine(Named(max_tokens=8)).query("What do cats do?")
    facts = indexed.facts("Named.complete")
    assert "LLM" == facts["openinference.span.kind"]
    assert ("parrot", "parrot") == (facts["llm.model_name"], facts["gen_ai.request.model"])


def test_a_secret_in_a_question_is_redacted(indexed: Indexed) -> None:
    indexed.engine().query(f"What is {SECRET} for?")
    recorded = str([dict(span.attributes or {}) for span in indexed.spans()])
    assert SECRET not in recorded
    assert "[REDACTED]" in indexed.facts("RetrieverQueryEngine.query")["input.value"]


def test_long_values_are_cut_and_it_is_said(indexed: Indexed) -> None:
    indexed.instrument(value_limit_bytes=300)
    indexed.engine().query("long " * 200)
    facts = indexed.facts("RetrieverQueryEngine.query")
    assert len(facts["input.value"].encode()) <= 300
    assert 1 == facts["flujo.truncated"]


def test_without_content_nothing_of_what_was_said_is_recorded(indexed: Indexed) -> None:
    indexed.instrument(content=False)
    indexed.engine().query("What do weasels do?")
    recorded = str([dict(span.attributes or {}) for span in indexed.spans()])
    assert "RetrieverQueryEngine.query" in indexed.tree()
    for said in ("weasels", "purr", "text text", "Context information"):
        assert said not in recorded, said


def test_instrumenting_again_and_undoing_it_leaves_llamaindex_as_it_was(indexed: Indexed) -> None:
    indexed.instrument()
    indexed.engine().query("What do cats do?")
    assert 1 == indexed.tree().count("RetrieverQueryEngine.query")
    indexed.instrumentor.uninstrument()
    indexed.instrumentor.uninstrument()
    indexed.memory.clear()
    indexed.engine().query("What do cats do?")
    assert [] == indexed.tree()


def test_a_step_keeps_its_place_however_many_attributes_it_has(indexed: Indexed) -> None:
    """The SDK drops the oldest of a span's attributes past 128."""
    tracer = RunProvider(indexed.provider, Recording(), LlamaIndex()).get_tracer("x")
    span = tracer.start_span("Engine.query")
    span.set_attributes({f"number {number}": number for number in range(200)})
    span.end()
    assert "Engine.query" == indexed.facts("Engine.query")["flujo.pipeline.name"]


def test_without_llamaindex_it_says_what_to_install() -> None:
    source = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *r: None if 'llama_index.core' in name else find(name, *r)\n"
        "from flujo_otel.errors import MissingExtra\n"
        "from flujo_otel.integrations.llama_index import LlamaIndexInstrumentor\n"
        "import sys; assert 'llama_index.core' not in sys.modules\n"
        "try:\n    LlamaIndexInstrumentor().instrument()\n"
        "except MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert 'pip install "flujo-otel[llama-index]"' in done.stdout


@pytest.mark.parametrize("beside", [None, "opentelemetry.instrumentation.llamaindex"])
def test_a_program_that_imports_llamaindex_and_cannot_be_traced_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, beside: str | None
) -> None:
    here = {"llama_index.core", beside}
    monkeypatch.setattr(
        "flujo_otel.integrations.llama_index.instrumentor.find_spec",
        lambda name: object() if name in here else None,
    )
    LlamaIndexInstrumentor().instrument(skip_dep_check=True)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (beside is None) == any('pip install "flujo-otel[llama-index]"' in it for it in told)


def test_a_retriever_s_output_is_what_it_found(indexed: Indexed) -> None:
    indexed.engine().query("What do cats do?")
    found = indexed.value("VectorIndexRetriever.retrieve", "output.value")
    assert ["cats purr", "dogs bark"] == sorted(item["content"] for item in found)
    assert {1.0} == {item["score"] for item in found}
    assert "output.value" not in indexed.facts("VectorIndexRetriever._retrieve")


def test_a_candidate_with_an_id_that_nobody_gave_is_named_by_its_text(indexed: Indexed) -> None:
    documents = [Document(text="Cats purr.\nAnd meow.")]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=4))
    indexed.memory.clear()
    index.as_retriever().retrieve("What do cats do?")
    [candidate] = indexed.value("VectorIndexRetriever.retrieve", "xray.ranked_candidates")
    assert "Cats purr. And meow." == candidate["item_id"]
    assert 36 == len(candidate["item_data"]["id"])


def test_a_model_without_a_name_has_none(indexed: Indexed) -> None:
    indexed.engine().query("What do cats do?")
    recorded = [dict(span.attributes or {}) for span in indexed.spans()]
    assert [] == [facts for facts in recorded if "unknown" in facts.values()]


def test_an_exception_is_recorded_once_where_the_library_records_it_itself(
    indexed: Indexed,
) -> None:
    tracer = RunProvider(indexed.provider, Recording(), LlamaIndex()).get_tracer("x")
    with (
        pytest.raises(ValueError, match="sour"),
        tracer.start_as_current_span("work", record_exception=False) as span,
    ):
        error = ValueError("sour milk")
        span.record_exception(error)
        raise error
    assert ["exception"] == indexed.events("work")
