"""A flujo pipeline calls X-Ray, that a pydantic-graph, that a LangChain chain: one tree."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.lens import LENS, environment

for package in ("flujo", "pydantic_graph", "langchain_core"):
    pytest.importorskip(package, reason='needs pip install ".[all]"')
pytestmark = [pytest.mark.flujo, pytest.mark.filterwarnings("ignore")]

PROGRAM = """
import logging, os, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)

import flujo_otel

flujo_otel.configure()

from flujo import Flujo, Step
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from opentelemetry import trace

try:
    from pydantic_graph import GraphBuilder, StepContext
except ImportError:  # pydantic-graph 1.x
    from pydantic_graph.beta import GraphBuilder, StepContext

from flujo_otel.integrations.langchain import XRayLangChainCallback

chain = (
    ChatPromptTemplate.from_messages([("human", "Name a {thing}.")])
    | FakeListChatModel(responses=["Thermo Flask"])
    | StrOutputParser()
).with_config(run_name="name it")
builder = GraphBuilder(name="suggest", input_type=str, output_type=str)


@builder.step
async def ask(ctx: StepContext[None, None, str]) -> str:
    config = {"callbacks": [XRayLangChainCallback()]}
    return await chain.ainvoke({"thing": ctx.inputs}, config=config)


@builder.step
async def tidy(ctx: StepContext[None, None, str]) -> str:
    return ctx.inputs.strip()


builder.add(
    builder.edge_from(builder.start_node).to(ask),
    builder.edge_from(ask).to(tidy),
    builder.edge_from(tidy).to(builder.end_node),
)
graph = builder.build()
xray = flujo_otel.XRay()


async def pick(thing: str) -> str:
    with xray.trace("selection") as selection:
        with selection.step("candidates") as step:
            step.set_input({"thing": thing})
            found = await graph.run(inputs=thing)
            passed = {"name": "is known", "passed": True, "detail": found}
            step.add_evaluation(found, {"title": found}, [passed], True)
            step.set_reasoning("The only one that was suggested.")
            step.set_output({"found": found})
    return found


async def greet(found: str) -> str:
    return f"Buy the {found}"


pipeline = Step.from_callable(pick, name="pick") >> Step.from_callable(greet, name="greet")
result = Flujo(pipeline, pipeline_name="shop").run("flask")
print(result.step_history[-1].output)
trace.get_tracer_provider().force_flush()
sys.stdout.flush()
os._exit(0)  # flujo 0.6 may leave a thread of its database running
"""

_LASTED = re.compile(r"  \S+ (ns|µs|ms|s)$")
"""What a line ends in below 60 columns."""
TREE = [
    "├─ ✔ pick",
    "│  └─ ✔ selection  run ID",
    "│     └─ ✔ candidates  1 of 1 passed",
    "│        │  is known  1 of 1",
    "│        │  because The only one that was suggested.",
    "│        └─ ✔ suggest",
    "│           ├─ ✔ ask",
    "│           │  └─ ✔ name it",
    "│           │     ├─ ✔ ChatPromptTemplate",
    "│           │     ├─ ✔ FakeListChatModel",
    "│           │     └─ ✔ StrOutputParser",
    "│           └─ ✔ tidy",
    "└─ ✔ greet",
]


def lens(folder: Path, *arguments: str) -> str:
    given = {"cwd": folder, "env": environment(COLUMNS="59")}
    done = subprocess.run([LENS, *arguments], **given, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program has run once."""
    folder = tmp_path_factory.mktemp("shop")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Buy the Thermo Flask\n" == done.stdout, done.stderr
    return folder


def test_lens_trace_last_draws_all_of_it_as_one_tree(folder: Path) -> None:
    header, *tree = lens(folder, "trace", "last").splitlines()
    assert re.match(r"✔ shop  completed in .* · 1 run inside$", header)
    assert TREE == [re.sub(r"run [0-9a-f]{8}\b", "run ID", _LASTED.sub("", line)) for line in tree]


def test_its_json_has_each_span_once_below_the_one_that_called_it(folder: Path) -> None:
    found = json.loads(lens(folder, "trace", "last", "--json"))
    names = [(span["depth"], span["name"]) for span in found["spans"]]
    assert [
        (0, "pipeline_run"),
        (1, "pick"),
        (2, "selection"),
        (3, "candidates"),
        (4, "suggest"),
        (5, "ask"),
        (6, "name it"),
        (7, "ChatPromptTemplate"),
        (7, "FakeListChatModel"),
        (7, "StrOutputParser"),
        (5, "tidy"),
        (1, "greet"),
    ] == names
    assert 1 == len({span["trace_id"] for span in found["spans"]})
    assert [] == [span["name"] for span in found["spans"] if span["fault"]]


def test_the_list_has_one_row_for_all_of_it(folder: Path) -> None:
    [run] = json.loads(lens(folder, "list", "--json"))["runs"]
    assert (run["pipeline_name"], run["outer_run_id"], run["inside_count"]) == ("shop", None, 1)


def test_the_x_ray_trace_is_a_run_of_its_own_that_says_what_it_is_in(folder: Path) -> None:
    runs = json.loads(lens(folder, "list", "--inside", "--json"))["runs"]
    shop, selection = sorted(runs, key=lambda run: run["start_time_ns"])
    assert (shop["pipeline_name"], shop["outer_run_id"]) == ("shop", None)
    inner = (selection["pipeline_name"], selection["outer_run_id"])
    assert inner == ("selection", shop["run_id"])
    assert f" in {shop['run_id'][:8]}" in lens(folder, "trace", selection["run_id"])


def test_nothing_was_lost_on_the_way(folder: Path) -> None:
    assert json.loads(lens(folder, "doctor", "--json"))["losses"] == []
