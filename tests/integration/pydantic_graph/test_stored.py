"""A graph run in a program that says nothing of tracing: its rows, and what `lens` shows of it."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from support.lens import LENS, environment

PROGRAM = """
import asyncio
from dataclasses import dataclass

try:
    from pydantic_graph import GraphBuilder
except ImportError:
    from pydantic_graph.beta import GraphBuilder
from pydantic_graph import BaseNode, End, GraphRunContext


@dataclass
class Draft:
    attempts: int = 0


@dataclass
class Write(BaseNode[Draft, None, str]):
    topic: str

    async def run(self, ctx: GraphRunContext[Draft]) -> "Review":
        ctx.state.attempts += 1
        return Review(f"{self.topic}, attempt {ctx.state.attempts}")


@dataclass
class Review(BaseNode[Draft, None, str]):
    text: str

    async def run(self, ctx: GraphRunContext[Draft]) -> "Write | End[str]":
        if "sour" in self.text:
            raise ValueError("sour milk")
        return End(self.text) if ctx.state.attempts > 1 else Write("milk")


builder = GraphBuilder(name="writing", state_type=Draft, input_type=Write, output_type=str)
builder.add(builder.node(Write), builder.node(Review))
builder.add(builder.edge_from(builder.start_node).to(Write))
writing = builder.build()
asyncio.run(writing.run(state=Draft(), inputs=Write("milk")))
try:
    asyncio.run(writing.run(state=Draft(), inputs=Write("sour")))
except ValueError:
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program ran under `lens run`."""
    found = tmp_path_factory.mktemp("graph")
    (found / "app.py").write_text(PROGRAM)
    lens(found, "run", "--", "python", "app.py")
    return found


def lens(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [LENS, *arguments],
        cwd=folder,
        env=environment(PATH=f"{Path(LENS).parent}{os.pathsep}{os.environ['PATH']}", COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{folder / 'flujo_otel.db'}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_graph_run_is_a_run(folder: Path) -> None:
    query = "SELECT pipeline_name, status FROM runs ORDER BY start_time_ns"
    assert [("writing", "completed"), ("writing", "failed")] == rows(folder, query)


def test_each_node_is_a_step_in_order(folder: Path) -> None:
    assert [
        (0, "Write", "completed"),
        (1, "Review", "completed"),
        (2, "Write", "completed"),
        (3, "Review", "completed"),
        (0, "Write", "completed"),
        (1, "Review", "failed"),
    ] == rows(
        folder,
        "SELECT step_index, step_name, s.status FROM steps s JOIN runs r USING (run_id)"
        " ORDER BY r.start_time_ns, step_index",
    )


def test_the_nodes_inputs_and_outputs_are_the_steps(folder: Path) -> None:
    assert [
        ('{"topic": "milk"}', '{"node_id": "Review", "inputs": {"text": "milk, attempt 1"}}')
    ] == (rows(folder, "SELECT input_blob, output_blob FROM steps ORDER BY start_time_ns LIMIT 1"))


def test_lens_trace_draws_the_graph(folder: Path) -> None:
    drawn = [line for line in lens(folder, "trace", "prev").splitlines() if "─ " in line]
    assert ["├─ ✔ Write", "├─ ✔ Review", "├─ ✔ Write", "└─ ✔ Review"] == [
        line.partition("  ")[0] for line in drawn
    ]


def test_lens_trace_says_why_it_failed(folder: Path) -> None:
    shown = lens(folder, "trace", "last")
    assert "✘ writing" in shown
    assert "✘ Review" in shown
    assert "ValueError: sour milk" in shown


def test_lens_show_has_the_state_at_the_end(folder: Path) -> None:
    assert '"attempts": 2' in lens(folder, "show", "prev", "--full")
