"""What is said of a process that was killed, by every command alike."""

import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.spanstore.factory import open_change_feed
from unit.cli.lens import answer, document


def test_a_killed_program_s_run_died(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        "import flujo_otel, time; flujo_otel.configure(); from opentelemetry import trace;"
        "trace.get_tracer('t').start_span('hangs'); time.sleep(1); print('on', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert document(capsys, "list")[1]["runs"][0]["status"] == "running"
        assert "● hangs  running for" in answer(capsys, "trace")[1]
        child.kill()
    assert document(capsys, "list", "--status", "died")[1]["total"] == 1
    out = answer(capsys, "trace")[1]
    assert out.startswith("✝ hangs  died after")
    assert f"(pid {child.pid} on " in out and "is gone" in out
    *_, said, opens = answer(capsys, "trace", "--errors")[1].splitlines()
    assert said == "No span of it failed."
    command = opens.removeprefix("What was open when it died:  lens ").split()
    assert "hangs   ✝ died" in answer(capsys, *command)[1]


_LEAVES = """
import os, sys
import flujo_otel
flujo_otel.configure()
from opentelemetry import propagate, trace
tracer = trace.get_tracer("t")
with tracer.start_as_current_span("over"):
    tracer.start_span("left")
    carrier = {}
    propagate.inject(carrier)
    print(carrier["traceparent"], flush=True)
    sys.stdin.readline()
"""
_GOES_ON = """
import flujo_otel, sys
flujo_otel.configure()
from opentelemetry import propagate, trace
above = propagate.extract({"traceparent": sys.argv[1]})
span = trace.get_tracer("t").start_span("far", above)
trace.get_tracer_provider().force_flush()
print("on", flush=True)
sys.stdin.readline()
span.end()
"""


def test_a_span_that_nobody_ended_died_with_its_process(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(
        [sys.executable, "-c", _LEAVES],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    tree = answer(capsys, "trace")[1]
    assert tree.startswith("✔ over  completed in") and "is gone" in tree.splitlines()[0]
    assert "✝ left" in tree and "…" not in tree
    assert "✝ died" in answer(capsys, "spans", "--status", "died")[1]
    assert "No spans match." in answer(capsys, "spans", "--status", "running")[1]
    assert document(capsys, "list")[1]["runs"][0]["is_left_open"]
    assert answer(capsys, "ps")[1] == "0 running\n"


def test_what_another_process_has_open_in_a_run_that_is_over_runs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LEAVES],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    command = [sys.executable, "-c", _GOES_ON, done.stdout.strip()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert "● far" in answer(capsys, "trace")[1]
        assert "● far" in answer(capsys, "ps")[1]
        other.communicate("")
    tree = answer(capsys, "trace")[1]
    assert "✔ far" in tree and "✝ left" in tree


@pytest.mark.skipif(sys.platform == "win32", reason="nothing stops a process there")
def test_what_a_stopped_process_has_open_in_a_run_that_ended_since_runs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", _LEAVES], text=True, **pipes) as one:
        assert one.stdout is not None
        command = [sys.executable, "-c", _GOES_ON, one.stdout.readline().strip()]
        with subprocess.Popen(command, text=True, **pipes) as other:
            assert other.stdout is not None
            other.stdout.readline()
            time.sleep(0.5)  # it holds no lock then
            other.send_signal(signal.SIGSTOP)
            one.communicate("")
            try:
                assert "● far" in answer(capsys, "trace")[1]
                assert "● far" in answer(capsys, "ps")[1]
                with closing(open_change_feed(None)) as feed:
                    assert not feed.runs(0).items[-1].is_left_open
            finally:
                other.send_signal(signal.SIGCONT)
                other.communicate("")
    with closing(open_change_feed(None)) as feed:
        assert feed.runs(0).items[-1].is_left_open


def test_what_was_open_in_a_killed_process_is_marked_alike_by_every_command(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = {"flujo.step.type": "Step", "flujo.step.index": 1}
    program = (
        "import flujo_otel, time; p = flujo_otel.configure(); from opentelemetry import trace;"
        "t = trace.get_tracer('t');"
        "root = t.start_span('run', attributes={'flujo.pipeline.name': 'doomed'});"
        f"t.start_span('slow', trace.set_span_in_context(root), attributes={step});"
        "trace.get_tracer_provider().force_flush(); print('on', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    shown = [
        next(line for line in answer(capsys, *command)[1].splitlines() if "slow" in line)
        for command in (("trace",), ("show",), ("show", "last", "--step", "slow"), ("spans",))
    ]
    assert [("✝" in line, "+" in line, "…" in line) for line in shown] == [(True, True, False)] * 4
    assert len({re.search(r"[\d.]+ .?s\+", line)[0] for line in shown}) == 1  # type: ignore[index]
