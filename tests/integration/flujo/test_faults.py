"""A fault of ours at the end of a run leaves no span open: an open one is never stored."""

from typing import Any

import pytest

from flujo_otel.guard import faults
from flujo_otel.integrations.flujo import run, span, step
from flujo_otel.semconv import flujo as semconv
from support.flujo_runs import Traced
from support.flujo_steps import call, pipe


async def double(value: Any) -> Any:
    return value * 2


def _fail(*_: Any, **__: Any) -> Any:
    raise ValueError("a fault of ours")


@pytest.fixture(autouse=True)
def as_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")


def test_a_fault_before_the_end_of_a_run_does_not_keep_it_open(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.Run, "_totals", _fail)
    assert traced.run(pipe(call(double, "double")), 2).step_history[-1].output == 4
    assert traced.named(semconv.PIPELINE_RUN).attributes[semconv.STATUS] == "completed"
    assert faults()
    traced.forget_faults()


def test_a_fault_at_the_end_of_a_step_does_not_keep_it_open(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span.OpenSpan, "_set_last", _fail)
    assert traced.run(pipe(call(double, "double")), 2).step_history[-1].output == 4
    assert traced.named("double").end_time
    assert traced.named(semconv.PIPELINE_RUN).end_time
    assert faults()
    traced.forget_faults()


def test_a_fault_before_the_end_of_a_step_does_not_keep_it_open(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step.Step, "_leave", _fail)
    assert traced.run(pipe(call(double, "double")), 2).step_history[-1].output == 4
    assert traced.named("double").attributes[semconv.STATUS] == "completed"
    assert faults()
    traced.forget_faults()
