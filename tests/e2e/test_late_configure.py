"""configure() where `lens run` has set all up before the first line: what is said late holds."""

import subprocess
import sys
from pathlib import Path

import pytest

from flujo_otel.bootstrap import child_environment
from support.programs import environment, names, query, write_program

EARLY = "a-marker-of-the-content-before"
LATE = "a-marker-of-the-content-after"
PRELUDE = f"""
import logging
logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s")
import flujo_otel
EARLY, LATE = "{EARLY}", "{LATE}"
late = lambda: flujo_otel.configure(content=False)
"""
FLUJO = """
from flujo import Flujo, Pipeline, Step
from flujo.domain.models import PipelineContext
class Said(PipelineContext):
    text: str = EARLY
async def first(value, *, context: Said):
    late()
    context.text = LATE
    return LATE
async def second(value, *, context: Said):
    return LATE
pipeline = Step.from_callable(first, name="first") >> Step.from_callable(second, name="second")
runner = Flujo(pipeline, context_model=Said, hooks={hooks})
runner.run(EARLY, initial_context_data=dict(initial_prompt=EARLY))
runner.run(LATE, initial_context_data=dict(initial_prompt=LATE, text=LATE))
"""
WITHIN = {
    "xray": """
with flujo_otel.XRay().trace("workflow") as trace, trace.step("one") as step:
    step.set_input({"said": EARLY})
    late()
    step.set_reasoning(LATE)
    step.set_output({"said": LATE})
    trace.set_metadata({"said": LATE})
    with trace.step("two") as second:
        second.set_input({"said": LATE})
with flujo_otel.XRay().trace("next") as trace, trace.step("one") as step:
    step.set_input({"said": LATE})
""",
    "flujo": FLUJO.format(hooks="[]"),
    "TraceManager": """
from flujo_otel.integrations.flujo import FlujoInstrumentor
FlujoInstrumentor().uninstrument()
late = lambda: flujo_otel.configure(content=False, flujo=False)
"""
    + FLUJO.format(hooks="[flujo_otel.TraceManager().hook]"),
    "pydantic_graph": """
import asyncio
from dataclasses import dataclass
try:
    from pydantic_graph import GraphBuilder
except ImportError:
    from pydantic_graph.beta import GraphBuilder
@dataclass
class State:
    text: str = EARLY
builder = GraphBuilder(name="answer", state_type=State, input_type=str, output_type=str)
@builder.step
async def one(ctx):
    late()
    ctx.state.text = LATE
    return LATE
@builder.step
async def two(ctx):
    return LATE
edge = builder.edge_from
builder.add(
    edge(builder.start_node).to(one), edge(one).to(two), edge(two).to(builder.end_node)
)
graph = builder.build()
asyncio.run(graph.run(state=State(), inputs=EARLY))
asyncio.run(graph.run(state=State(LATE), inputs=LATE))
""",
    "langchain_core": """
from langchain_core.runnables import RunnableLambda
def one(value):
    late()
    return LATE
chain = RunnableLambda(one) | RunnableLambda(lambda value: LATE)
chain.invoke(EARLY)
chain.invoke(LATE)
""",
    "llama_index": """
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.llms import MockLLM
class Model(MockLLM):
    def complete(self, *args, **kwargs):
        late()
        return super().complete(*args, **kwargs)
index = VectorStoreIndex.from_documents(
    [Document(text=EARLY)], embed_model=MockEmbedding(embed_dim=4)
)
index.as_query_engine(llm=MockLLM(max_tokens=8)).query(EARLY)
late()
index = VectorStoreIndex.from_documents(
    [Document(text=LATE)], embed_model=MockEmbedding(embed_dim=4)
)
index.as_query_engine(llm=MockLLM(max_tokens=8)).query(LATE)
""",
    "pydantic_ai": """
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
agent = Agent(TestModel(custom_output_text=LATE), name="parrot")
@agent.tool_plain
def look(said: str) -> str:
    late()
    return LATE
agent.run_sync(EARLY)
agent.run_sync(LATE)
""",
}
"""Each has content recorded, says configure(content=False) while it runs, and goes on."""
SPANS = {
    "xray": {"one": 2, "two": 1},
    "flujo": {"second": 2},
    "TraceManager": {"second": 2},
    "pydantic_graph": {"two": 2},
    "langchain_core": {"RunnableSequence": 2},
    "llama_index": {"RetrieverQueryEngine.query": 2},
    "pydantic_ai": {"parrot": 2},
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


@pytest.fixture(params=WITHIN)
def library(request: pytest.FixtureRequest) -> str:
    if request.param not in ("xray", "TraceManager"):
        pytest.importorskip(request.param)
    return str(request.param)


def run(db: Path, source: str, **variables: str) -> str:
    """Run the program as `lens run` does; what it says on stderr."""
    done = subprocess.run(
        [sys.executable, str(write_program(db.parent, source, PRELUDE))],
        env=child_environment(environment(db, **variables), db),
        cwd=db.parent,
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def is_recorded(db: Path, marker: str) -> bool:
    """In any file of the database."""
    found = list(db.parent.glob(db.name + "*"))
    assert found
    return any(marker.encode() in path.read_bytes() for path in found)


def test_from_then_on_no_content_is_recorded(db: Path, library: str) -> None:
    errors = run(db, WITHIN[library])
    assert "flujo_otel" not in errors
    assert SPANS[library].items() <= names(db).items()
    assert is_recorded(db, EARLY)
    assert not is_recorded(db, LATE)


def test_a_producer_that_was_told_itself_keeps_to_it(db: Path) -> None:
    source = f"""
late = lambda: flujo_otel.configure(content=False, flujo=False)
from flujo_otel.integrations.flujo import FlujoInstrumentor
FlujoInstrumentor().uninstrument()
{FLUJO.format(hooks="[flujo_otel.TraceManager(content=True).hook]")}"""
    pytest.importorskip("flujo")
    run(db, source)
    assert is_recorded(db, LATE)


def test_a_trace_that_was_held_back_is_recorded_without(db: Path) -> None:
    source = """
xray = flujo_otel.XRay(sampling_rate=0.0)
try:
    with xray.trace("held") as trace:
        with trace.step("before") as step:
            step.set_input({"said": LATE})
            step.add_event("heard", {"said": LATE})
        trace.add_event("heard", {"said": LATE})
        late()
        raise OSError
except OSError:
    pass
"""
    run(db, source)
    assert {"held": 1} == names(db, "failed")
    assert {"before": 1} == names(db)
    assert not is_recorded(db, LATE)


def test_a_limit_that_is_said_late_holds(db: Path) -> None:
    source = """
from langchain_core.runnables import RunnableLambda
chain = RunnableLambda(lambda text: text)
chain.invoke("a" * 3000)
flujo_otel.configure(value_limit_bytes=1000)
chain.invoke("b" * 3000)
"""
    pytest.importorskip("langchain_core")
    run(db, source)
    assert is_recorded(db, "a" * 3000)
    assert is_recorded(db, "b" * 500)
    assert not is_recorded(db, "b" * 1001)


SPAN = 'trace.get_tracer("t").start_span("{name}").end()\n'


def services(db: Path) -> dict[str, str]:
    """Of each span, by its name."""
    statement = (
        "SELECT name, json_extract(resources.attributes, '$.\"service.name\"')"
        " FROM spans JOIN resources USING (resource_id)"
    )
    return dict(query(db, statement))


@pytest.mark.parametrize("variables", [{}, {"OTEL_SERVICE_NAME": "outside"}])
def test_a_service_that_is_named_late_is_that_of_the_spans_from_then_on(
    db: Path, variables: dict[str, str]
) -> None:
    source = f"""
from opentelemetry import trace
known = trace.get_tracer("known")
{SPAN.format(name="before")}
flujo_otel.configure(service_name="mine")
known.start_span("known").end()
{SPAN.format(name="after")}
with flujo_otel.XRay().trace("traced"):
    pass
"""
    assert "too late" not in run(db, source, **variables)
    found = services(db)
    assert {"known": "mine", "after": "mine", "traced": "mine"}.items() <= found.items()
    assert found["before"].startswith(variables.get("OTEL_SERVICE_NAME", "unknown_service"))


def test_the_first_name_counts_and_that_of_a_provider_of_the_programs_stays(db: Path) -> None:
    source = f"""
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
flujo_otel.configure(service_name="first")
flujo_otel.configure(service_name="second")
{SPAN.format(name="ours")}
trace.set_tracer_provider(TracerProvider(resource=Resource.create({{"service.name": "own"}})))
flujo_otel.configure(service_name="third")
{SPAN.format(name="theirs")}
"""
    errors = run(db, source)
    assert "configure(service_name='second') comes too late" in errors
    assert "configure(service_name='third') comes too late" in errors
    assert {"ours": "first", "theirs": "own"} == services(db)
