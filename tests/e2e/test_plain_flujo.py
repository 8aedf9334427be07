"""A plain Flujo(...), whose own default backend is at work too, traced by us, seen with lens."""

import json
import os
import sqlite3
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flujo", reason="needs the real flujo: pip install .[flujo]")
pytestmark = [pytest.mark.flujo, pytest.mark.filterwarnings("ignore")]

LENS = Path(sysconfig.get_path("scripts")) / "lens"

PROGRAM = """
import logging, os, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)
import flujo_otel
from flujo import Flujo, Pipeline, Step
from opentelemetry import trace

way = sys.argv[1]
if way in ("hook", "instrumentor"):
    flujo_otel.configure(flujo=way == "instrumentor")
hooked = way in ("hook", "hook alone")
hooks = [flujo_otel.TraceManager(pipeline_name="triage").hook] if hooked else []

async def up(value): return value + 1
async def left(value): return "left"
async def right(value): return "right"

step = Step.from_callable
loop = Step.loop_until(
    name="climb",
    loop_body_pipeline=Pipeline.from_step(step(up, name="up")),
    exit_condition_callable=lambda value, _: value >= 3,
    max_loops=5,
)
route = Step.branch_on(
    name="route",
    condition_callable=lambda value, _: "left",
    branches={
        "left": Pipeline.from_step(step(left, name="left")),
        "right": Pipeline.from_step(step(right, name="right")),
    },
)
Flujo(step(up, name="first") >> loop >> route, pipeline_name="triage", hooks=hooks).run(0)
if "FLUJO_STATE_URI" in os.environ:
    # flujo 0.6 with a state URI never ends, untraced too: aiosqlite's thread is left running.
    getattr(trace.get_tracer_provider(), "force_flush", bool)()
    os._exit(0)
"""

TOP_LEVEL = ["climb", "first", "pipeline_run", "route"]
EXPECTED = {
    "hook": TOP_LEVEL,
    "hook alone": TOP_LEVEL,
    "instrumentor": sorted([*TOP_LEVEL, "left", "up", "up"]),
}
STEPS = {
    "hook": ["first", "climb", "route"],
    "hook alone": ["first", "climb", "route"],
    "instrumentor": ["first", "climb", "route", "up", "up", "left"],
}


def environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FLUJO_"))}
    return kept | {"FLUJO_OTEL_RAISE": "1"} | variables


def run(folder: Path, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def run_program(folder: Path, way: str, **variables: str) -> None:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    run(folder, sys.executable, str(program), way, **variables)


def lens(folder: Path, *arguments: str, **variables: str) -> str:
    return run(folder, str(LENS), *arguments, **variables).stdout


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def shape(path: Path) -> dict[str, Any]:
    """What a file of flujo's holds, but for ids and times."""
    tables = rows(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    return {
        "tables": tables,
        "application_id": rows(path, "PRAGMA application_id"),
        "user_version": rows(path, "PRAGMA user_version"),
        "runs": rows(path, "SELECT COUNT(*) FROM runs"),
        "steps": sorted(rows(path, "SELECT step_name, status FROM steps")),
        "spans": sorted(rows(path, "SELECT name, status FROM spans")),
    }


@pytest.mark.parametrize("named", [None, "sqlite:///ops.db"])
@pytest.mark.parametrize("way", list(EXPECTED))
def test_each_keeps_its_own_and_lens_lists_the_run_once(
    tmp_path: Path, way: str, named: str | None
) -> None:
    variables = {"FLUJO_STATE_URI": named} if named else {}
    traced, untraced = tmp_path / "traced", tmp_path / "untraced"
    for folder, how in ((traced, way), (untraced, "untraced")):
        folder.mkdir()
        run_program(folder, how, **variables)
    ours = traced / ("ops_otel.db" if named else "flujo_otel.db")

    assert EXPECTED[way] == sorted(name for (name,) in rows(ours, "SELECT name FROM spans"))
    in_order = "SELECT step_name FROM steps ORDER BY step_index"
    assert STEPS[way] == [name for (name,) in rows(ours, in_order)]
    assert [("triage", "completed")] == rows(ours, "SELECT pipeline_name, status FROM runs")

    theirs = [path for path in traced.glob("*.db") if path != ours]
    assert theirs, "flujo's own default backend was at work"
    for path in theirs:
        before, after = shape(untraced / path.name), shape(path)
        spans, more = Counter(before.pop("spans")), Counter(after.pop("spans"))
        assert before == after
        # flujo 0.6 stores the trace_tree of its result, which has the nested steps too when the
        # instrumentor has put it there (FSD-09); else its spans are what they are without us.
        assert spans <= more
        assert {name for name, _ in more - spans} <= {"left", "up"}

    listed = json.loads(lens(traced, "list", "--json", **variables))
    assert ["triage"] == [run["pipeline_name"] for run in listed["runs"]]
    tree = lens(traced, "trace", "last", **variables)
    assert all(name in tree for name in ("first", "climb", "route"))
    if way == "instrumentor":
        assert "→ left" in tree and "#2 up" in tree


def test_lens_shows_a_run_that_only_flujo_stored(tmp_path: Path) -> None:
    run_program(tmp_path, "untraced")
    assert not (tmp_path / "flujo_otel.db").exists()
    listed = json.loads(lens(tmp_path, "list", "--json"))
    assert 1 == len(listed["runs"])
    assert "climb" in lens(tmp_path, "trace", "last")
    assert "first" in lens(tmp_path, "show", "last")
    assert not (tmp_path / "flujo_otel.db").exists()


def test_a_program_with_no_line_changed_is_traced_by_lens_run(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = run(tmp_path, str(LENS), "run", "--", sys.executable, str(program), "untraced")
    assert "→ left" in done.stderr and "#2 up" in done.stderr
    ours = tmp_path / "flujo_otel.db"
    assert EXPECTED["instrumentor"] == sorted(n for (n,) in rows(ours, "SELECT name FROM spans"))


OWN_PROVIDER = """
from flujo import Flujo, Step
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from flujo_otel import TraceManager

async def up(value): return value + 1
manager = TraceManager()
kept = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(kept))
Flujo(Step.from_callable(up, name="first"), hooks=[manager.hook]).run(0)
print(*(span.name for span in kept.get_finished_spans()))
"""


def test_a_provider_set_after_the_hook_was_made_has_its_spans_alone(tmp_path: Path) -> None:
    done = run(tmp_path, sys.executable, "-c", OWN_PROVIDER)
    assert done.stdout.splitlines()[-1] == "first pipeline_run"
    assert not (tmp_path / "flujo_otel.db").exists()
