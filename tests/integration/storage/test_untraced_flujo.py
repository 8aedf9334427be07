"""The real flujo on our backend with nothing traced: what `lens` makes of the tree it saves."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("flujo", reason="these tests need the real flujo: pip install .[flujo]")

from flujo_otel.model import Run, Span, Step
from flujo_otel.spanstore.factory import open_reader

pytestmark = pytest.mark.flujo

SCRIPT = """
import asyncio, sys, warnings
warnings.simplefilter("ignore")
from flujo import Flujo, Pipeline, Step
from flujo_otel import SQLiteBackend

async def first(value):
    await asyncio.sleep(0.02)
    return value + 1

async def last(value):
    await asyncio.sleep(0.02)
    if sys.argv[1] == "failed":
        raise ValueError("bad")
    return value + 1

async def main():
    async with SQLiteBackend("ours.db") as backend:
        steps = [Step.from_callable(each, name=each.__name__) for each in (first, last)]
        runner = Flujo(Pipeline(steps=steps), state_backend=backend, pipeline_name="demo")
        async for _ in runner.run_async(1, run_id="run-1"):
            pass

asyncio.run(main())
"""


@pytest.fixture(scope="module", params=["completed", "failed"])
def status(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, status: str
) -> tuple[Run, list[Span], list[Step]]:
    folder: Path = tmp_path_factory.mktemp(status)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, status], cwd=folder, check=True, capture_output=True
    )
    with closing(open_reader(folder / "ours.db")) as reader:
        run = reader.get_run("run-1")
        assert run is not None
        return run, list(reader.spans("run-1")), reader.steps("run-1")


def test_the_root_has_ended_as_its_run_has(
    kept: tuple[Run, list[Span], list[Step]], status: str
) -> None:
    run, spans, _ = kept
    assert (status, status) == (run.status, spans[0].status)
    assert [span.status for span in spans[1:]] == ["completed", status]
    assert all(span.end_time_ns is not None for span in spans)


def test_spans_lie_within_their_run(kept: tuple[Run, list[Span], list[Step]]) -> None:
    """flujo 0.6 times them by a clock that started with the machine."""
    run, spans, _ = kept
    assert run.end_time_ns is not None
    assert abs(time.time_ns() - run.end_time_ns) < 600 * 10**9
    slack_ns = 5 * 10**6  # between flujo's looks at two clocks
    for span in spans:
        assert span.end_time_ns is not None
        assert run.start_time_ns - slack_ns <= span.start_time_ns <= span.end_time_ns
        assert span.end_time_ns <= run.end_time_ns + slack_ns


def test_a_step_has_its_spans_times_and_input(
    kept: tuple[Run, list[Span], list[Step]], status: str
) -> None:
    _, spans, steps = kept
    assert [(span.name, span.start_time_ns, span.end_time_ns) for span in spans[1:]] == [
        (step.step_name, step.start_time_ns, step.end_time_ns) for step in steps
    ]
    assert ['"1"', '"2"'] == [step.input for step in steps]
    assert [step.output for step in steps] == ["2", "3" if status == "completed" else "null"]


def test_the_last_step_lasts_as_long_as_flujo_says_and_not_as_long_as_it_waited(
    kept: tuple[Run, list[Span], list[Step]], status: str
) -> None:
    _, spans, steps = kept
    if status == "failed":
        assert steps[-1].error is not None
        return
    latency_ns = float(spans[-1].attributes["latency_s"]) * 1e9
    assert spans[-1].end_time_ns is not None
    waited_ns = spans[-1].end_time_ns - spans[-1].start_time_ns - latency_ns
    assert waited_ns < 50 * 10**6 or spans[0].name == "pipeline_run"
