"""Prices are loaded where spans are written, never on the traced program's thread."""

import subprocess
import sys
import textwrap
from pathlib import Path

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
