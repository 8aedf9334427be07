"""A run of LangChain in the store: its tokens and cost add up, and it shows while it runs."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel

from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.processor import LiveSpanProcessor
from support.langchain_runs import Described, Traced, answering, chat_chain

USAGE: Any = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}


@pytest.fixture
def db(traced: Traced, tmp_path: Path) -> Path:
    path = tmp_path / "spans.db"
    traced.provider.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(path)))
    return path


def query(traced: Traced, db: Path, sql: str) -> list[Any]:
    assert traced.provider.force_flush()
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_the_tokens_and_the_cost_of_a_run_are_those_of_its_model_calls(
    traced: Traced, db: Path
) -> None:
    model = Described(
        responses=["x"],
        llm_output={"token_usage": {"prompt_tokens": 1000, "completion_tokens": 100}},
    )
    chain = RunnableParallel(draft=model, other=model)
    chain.with_config(run_name="answer").invoke("hello", config=traced.config)
    ((name, status, tokens, cost),) = query(
        traced, db, "SELECT pipeline_name, status, total_tokens, total_cost FROM runs"
    )
    assert ("answer", "completed", 2200) == (name, status, tokens)
    # gpt-4o-mini: 0.15 USD per million tokens in, 0.60 out.
    assert 2 * (1000 * 0.15 + 100 * 0.6) / 1e6 == pytest.approx(cost)


def test_usage_that_only_the_answer_tells_counts_too(traced: Traced, db: Path) -> None:
    answering(AIMessage("x", usage_metadata=USAGE)).invoke("hello", config=traced.config)
    assert [(1100,)] == query(traced, db, "SELECT total_tokens FROM runs")


def test_the_steps_of_a_run_are_what_its_root_calls(traced: Traced, db: Path) -> None:
    chat_chain("x").invoke({"topic": "cats"}, config=traced.config)
    found = query(traced, db, "SELECT step_index, step_name, status FROM steps ORDER BY 1")
    assert [
        (0, "ChatPromptTemplate", "completed"),
        (1, "FakeListChatModel", "completed"),
        (2, "StrOutputParser", "completed"),
    ] == found


def test_a_run_that_goes_on_shows_with_its_input(traced: Traced, db: Path) -> None:
    seen = []

    def look(x: str) -> str:
        seen.extend(
            query(
                traced,
                db,
                "SELECT name, status, json_extract(attributes, '$.\"input.value\"') FROM spans",
            )
        )
        return x

    RunnableLambda(look).invoke("cats", config=traced.config)
    assert [("look", "running", "cats")] == seen
    assert [("completed",)] == query(traced, db, "SELECT status FROM runs")
