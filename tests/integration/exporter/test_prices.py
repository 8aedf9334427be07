"""Prices are loaded where spans are written, never on the traced program's thread."""

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.lens import LENS, finished, told
from support.programs import losses

PROGRAM = """
import sys, threading, time

def told(name, arguments):
    if name == "import" and arguments[0] == "genai_prices.data":
        print("loaded", threading.get_ident() == threading.main_thread().ident)

sys.addaudithook(told)
import flujo_otel
flujo_otel.configure()
from opentelemetry import trace
attributes = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 5}
for model in ({}, {"gen_ai.usage.cost": 0.1}, {"gen_ai.request.model": "gpt-4o-mini"}):
    with trace.get_tracer("app").start_as_current_span("chat", attributes=attributes | model):
        pass
    trace.get_tracer_provider().force_flush()
    print("flushed")
"""


def test_the_first_call_without_a_stated_cost_has_the_writer_load_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ["flushed", "flushed", "loaded False", "flushed"] == done.stdout.splitlines()


CALL = """
import flujo_otel, os, sys, threading, time
from opentelemetry import trace

def told(name, arguments):
    if name == "import" and arguments[0] == "genai_prices.data":
        threading._register_atexit(int)  # as concurrent.futures does, which plugins import
        # As opentelemetry.sdk._logs does, which logfire's plugin of pydantic imports.
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(int, "7").result(5) == 7

sys.addaudithook(told)
{configure}
from flujo_otel_exporter import writer
writer.EXIT_SECONDS = 60.0  # what is tested is no matter of how long the import takes
attributes = {{"gen_ai.request.model": "gpt-4o-mini", "gen_ai.provider.name": "openai"}}
attributes |= {{"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 200}}
with trace.get_tracer("app").start_as_current_span("chat", attributes=attributes):
    {within}
{end}
"""


@pytest.mark.skipif(find_spec("genai_prices") is None, reason="needs genai-prices")
@pytest.mark.parametrize("before", [(), (LENS, "run", "--")])
@pytest.mark.parametrize(
    ("within", "end", "status"),
    [
        ("pass", "", 0),
        ("pass", "sys.exit(3)", 3),
        ("pass", "threading.Thread(target=sys.exit).start()", 0),
        # The writer's thread imports just then, or is about to.
        ("time.sleep(0.3)", "", 0),
        ("time.sleep(0.45)", "", 0),
    ],
)
def test_a_program_that_ends_at_once_has_its_cost(
    before: tuple[str, ...], within: str, end: str, status: int, tmp_path: Path
) -> None:
    configure = "" if before else "flujo_otel.configure()"
    program = tmp_path / "app.py"
    program.write_text(CALL.format(configure=configure, within=within, end=end))
    done = finished(tmp_path, *before, sys.executable, str(program), FLUJO_OTEL_RAISE="0")
    assert (status, "") == (done.returncode, done.stdout)
    assert "flujo-otel:" not in done.stderr
    assert before or not done.stderr
    [run] = json.loads(told(tmp_path, "list", "--json"))["runs"]
    assert pytest.approx(0.00027) == run["total_cost_usd"]
    assert not losses(tmp_path / "flujo_otel.db")
