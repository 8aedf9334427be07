"""Tokens of a model's call through LlamaIndex are the run's, once."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback

from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.processor import LiveSpanProcessor
from support.llama_index_runs import Indexed

pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")


class Counting(CustomLLM):
    """A model that says what it used, as OpenAI's does."""

    model: str = "gpt-4o-mini"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.model)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        usage = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
        return CompletionResponse(text="They purr.", raw={"usage": usage})

    def stream_complete(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def test_a_query_s_run_has_the_tokens_of_its_model_call(indexed: Indexed, tmp_path: Path) -> None:
    db = tmp_path / "spans.db"
    indexed.provider.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(db)))
    answer = indexed.engine(Counting()).query("What do cats do?")
    assert "They purr." == str(answer)
    assert indexed.provider.force_flush()
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    try:
        runs = connection.execute("SELECT pipeline_name, status, total_tokens FROM runs").fetchall()
        steps = connection.execute("SELECT step_name FROM steps ORDER BY step_index").fetchall()
    finally:
        connection.close()
    assert [("RetrieverQueryEngine.query", "completed", 42)] == runs
    assert [("VectorIndexRetriever.retrieve",), ("CompactAndRefine.synthesize",)] == steps
    facts = indexed.facts("Counting.complete")
    assert ("gpt-4o-mini", 30, 12) == (
        facts["gen_ai.request.model"],
        facts["gen_ai.usage.input_tokens"],
        facts["gen_ai.usage.output_tokens"],
    )
