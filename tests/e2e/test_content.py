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


def test_it_holds_for_what_was_instrumented_before(db: Path) -> None:
    pytest.importorskip("pydantic_ai")
    program = f"""
from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor
PydanticAIInstrumentor().instrument()
flujo_otel.configure(content=False)
{PYDANTIC_AI}"""
    run(db, program, prelude=PRELUDE)
    assert not is_recorded(db)


def test_an_instrumentor_that_was_told_itself_keeps_to_it(db: Path) -> None:
    pytest.importorskip("pydantic_ai")
    program = f"""
from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor
PydanticAIInstrumentor().instrument(content=True)
flujo_otel.configure(content=False)
{PYDANTIC_AI}"""
    run(db, program, prelude=PRELUDE)
    assert is_recorded(db)


def test_configured_again_it_holds_still(db: Path) -> None:
    pytest.importorskip("pydantic_ai")
    told = "flujo_otel.configure(content=False)\nflujo_otel.configure(content=True)\n"
    run(db, f"{told}{PYDANTIC_AI}", prelude=PRELUDE)
    assert not is_recorded(db)
