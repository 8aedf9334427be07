"""The code that docs/pydantic-ai.md prints runs as printed, and leaves the tree that it shows."""

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.lens import LENS, finished, told, written

PAGE = (Path(__file__).parents[3] / "docs" / "pydantic-ai.md").read_text("utf-8")
CODE, BY_HAND = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
TREE = re.findall(r"^```\n(✔ .*?)^```$", PAGE, re.M | re.S)[0]
SAID = "Take an umbrella.\n"


def names(text: str) -> list[str]:
    """Without the span that pydantic-ai 1 has around an answer's tools."""
    found = re.findall(r"✔ ((?:chat|execute_tool|running)? ?\w+)", text)
    return [name for name in found if name != "running tools"]


def test_the_page_s_code_leaves_the_tree_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(CODE)
    assert SAID == written(tmp_path, sys.executable, "page.py")
    assert names(TREE) == names(told(tmp_path, "trace", "last"))
    shown = told(tmp_path, "show", "last")
    assert "What is the weather like?" in shown
    assert "It rains in a." in shown


def test_lens_run_does_the_same_for_a_program_that_says_nothing_of_tracing(tmp_path: Path) -> None:
    lines = [line for line in CODE.splitlines() if "flujo_otel" not in line]
    (tmp_path / "page.py").write_text("\n".join(lines))
    done = finished(tmp_path, LENS, "run", "--", sys.executable, "page.py")
    assert (0, SAID) == (done.returncode, done.stdout)
    assert names(TREE) == names(told(tmp_path, "trace", "last"))


def test_by_hand_and_by_configure_it_is_there_once(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(f"{BY_HAND}\n{CODE}")
    done = finished(tmp_path, LENS, "run", "--", sys.executable, "page.py")
    assert (0, SAID) == (done.returncode, done.stdout)
    assert names(TREE) == names(told(tmp_path, "trace", "last"))


@pytest.mark.parametrize("model", ["gpt-4o-mini", "my-own"])
def test_tokens_and_cost_count_once(tmp_path: Path, model: str) -> None:
    source = f"""
import flujo_otel
flujo_otel.configure()
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import RequestUsage

def reply(messages, info):
    used = RequestUsage(input_tokens=900, output_tokens=100)
    return ModelResponse(parts=[TextPart("hello")], model_name="{model}", usage=used)

weatherman = Agent(FunctionModel(reply, model_name="{model}"))
weatherman.run_sync("Hi")
"""
    (tmp_path / "page.py").write_text(source)
    written(tmp_path, sys.executable, "page.py")
    with closing(sqlite3.connect(tmp_path / "flujo_otel.db")) as connection:
        [found] = connection.execute(
            "SELECT pipeline_name, status, total_tokens, total_cost FROM runs"
        )
    cost = pytest.approx(900 * 0.15e-6 + 100 * 0.6e-6) if model == "gpt-4o-mini" else None
    assert ("weatherman", "completed", 1000, cost) == found


def test_beside_logfire_an_agent_is_a_run_as_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("logfire", reason="pip install logfire")
    source = """
import flujo_otel, logfire
from flujo_otel.integrations.pydantic_ai import PydanticAIInstrumentor
logfire.configure(
    send_to_logfire=False,
    console=False,
    additional_span_processors=[flujo_otel.LiveSpanProcessor()],
)
PydanticAIInstrumentor().instrument()
"""
    (tmp_path / "page.py").write_text(source + CODE.replace("flujo_otel.configure()", ""))
    assert SAID == written(tmp_path, sys.executable, "page.py")
    assert names(TREE) == names(told(tmp_path, "trace", "last"))
