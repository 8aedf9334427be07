"""A real run that waits for a human and goes on, told by `lens`; flujo's own file beside ours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.lens import environment, told

pytest.importorskip("flujo", reason="needs the real flujo: pip install .[flujo]")
pytestmark = [pytest.mark.flujo, pytest.mark.filterwarnings("ignore")]

PROGRAM = """
import asyncio, logging, os, warnings
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)
import flujo_otel
from flujo import Flujo, Pipeline, Step
from opentelemetry import trace

flujo_otel.configure()

async def draft(text: str) -> str:
    return "draft of " + text

async def send(answer) -> str:
    return f"sent {answer}"

async def main():
    step = Step.from_callable
    ask = Step.human_in_the_loop("approve", message_for_user="OK to send?")
    runner = Flujo(
        Pipeline.from_step(step(draft, name="draft")) >> ask >> step(send, name="send"),
        pipeline_name="mail",
    )
    async for result in runner.run_async("x"):
        pass
    trace.get_tracer_provider().force_flush()
    print("paused", flush=True)
    input()
    await runner.resume_async(result, "yes")
    trace.get_tracer_provider().force_flush()
    os._exit(0)

asyncio.run(main())
"""


def test_what_it_asks_and_what_came_out_in_the_end(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "paused\n" in iter(process.stdout.readline, "")
    assert "approve  asks: OK to send?" in told(tmp_path, "trace", "last")
    assert "   asks   OK to send?" in told(tmp_path, "show", "last")
    process.communicate("\n", timeout=60)

    document = json.loads(told(tmp_path, "show", "last", "--json"))
    assert (document["input"], document["output"]) == ("x", "sent yes")
    assert document["run"]["status"] == "completed"
    assert '   out    "sent yes"' in told(tmp_path, "show", "last")


def test_a_file_that_is_asked_for_by_name_is_not_stood_in_for(tmp_path: Path) -> None:
    """flujo 0.4 leaves a file of its own in the working directory."""
    program = """
import logging, os, warnings
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)
import asyncio
from flujo.state.backends.sqlite import SQLiteBackend
from pathlib import Path
asyncio.run(SQLiteBackend(Path("flujo_ops.db")).get_trace("x"))
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=60, check=True)
    told(tmp_path, "list")
    said = told(tmp_path, "list", "--db", "mistyped.db", exit_code=3)
    assert "No database here" in said and "mistyped.db" in said
