"""configure(content=False) holds for all that records in the program, whoever made it and when."""

from pathlib import Path

import pytest

from support.programs import names, run

MARKER = "a-marker-in-the-content"
PRELUDE = f"""
import flujo_otel
MARKER = "{MARKER}"
"""
XRAY = """
with flujo_otel.XRay().trace("workflow") as trace, trace.step("one") as step:
    step.set_input({"said": MARKER})
    step.set_reasoning(MARKER)
"""
LLAMA_INDEX = """
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.llms import MockLLM
index = VectorStoreIndex.from_documents([Document(text=MARKER)], embed_model=MockEmbedding(4))
index.as_query_engine(llm=MockLLM(max_tokens=8)).query(MARKER)
"""
PYDANTIC_AI = """
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
Agent(TestModel(custom_output_text=MARKER), name="parrot").run_sync(MARKER)
"""
PROGRAMS = {"xray": XRAY, "llama_index": LLAMA_INDEX, "pydantic_ai": PYDANTIC_AI}
SPAN_OF = {
    "xray": "one",
    "llama_index": "RetrieverQueryEngine.query",
    "pydantic_ai": "chat test",
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def is_recorded(db: Path) -> bool:
    return any(MARKER.encode() in path.read_bytes() for path in db.parent.glob("spans.db*"))


@pytest.fixture(params=PROGRAMS)
def library(request: pytest.FixtureRequest) -> str:
    if request.param != "xray":
        pytest.importorskip(request.param)
    return str(request.param)


@pytest.mark.parametrize("content", [True, False])
def test_what_configure_is_told_holds_whatever_the_variable_says(
    db: Path, library: str, content: bool
) -> None:
    program = f"flujo_otel.configure(content={content})\n{PROGRAMS[library]}"
    run(db, program, prelude=PRELUDE, FLUJO_OTEL_CONTENT=str(not content))
    assert SPAN_OF[library] in names(db)
    assert content == is_recorded(db)


def test_it_is_said_where_it_comes_too_late(db: Path) -> None:
    pytest.importorskip("pydantic_ai")
    program = f"""
from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor
PydanticAIInstrumentor().instrument()
flujo_otel.configure(content=False)
{PYDANTIC_AI}{XRAY}"""
    _, errors = run(db, program, prelude=PRELUDE)
    assert 1 == errors.count("configure(content=False) comes too late for pydantic_ai")
    assert "FLUJO_OTEL_CONTENT=0" in errors


def test_configured_twice_it_is_not_called_late(db: Path) -> None:
    pytest.importorskip("pydantic_ai")
    twice = "flujo_otel.configure(content=False)\n" * 2
    _, errors = run(db, f"{twice}{PYDANTIC_AI}", prelude=PRELUDE)
    assert "too late" not in errors
    assert not is_recorded(db)
