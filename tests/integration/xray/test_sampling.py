"""Which traces are recorded, and that the others are counted."""

import time
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry import trace as otel

from flujo_otel import XRay
from flujo_otel.errors import SettingsError
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.xray.held import HELD_BYTES


def ledger(storage: SQLiteStorage) -> dict[tuple[str, str], int]:
    """But for faults, which are of the whole process: other tests provoke them."""
    rows = storage.conn.execute(
        "SELECT reason, detail, SUM(count) FROM ledger WHERE reason <> 'fault' GROUP BY 1, 2"
    )
    return {(reason, detail): count for reason, detail, count in rows.fetchall()}


@pytest.fixture(params=["spans", "storage"])
def target(request: pytest.FixtureRequest, traced: Any) -> Any:
    """What XRay is given, and how to see what was kept."""
    if request.param == "spans":
        return None, traced.storage
    storage = SQLiteStorage(":memory:")
    return storage, lambda: storage


def one(xray: XRay, name: str, *, fails: bool = False, steps: int = 2) -> None:
    with suppress(ZeroDivisionError), xray.trace(name) as trace:
        for number in range(steps):
            with trace.step(f"step {number}") as step:
                step.set_input({"number": number})
                step.add_event("seen")
                with step.step("inner"), otel.get_tracer("library").start_as_current_span("call"):
                    pass
        if fails:
            _ = 1 / 0


def test_a_trace_that_is_not_sampled_is_absent_and_counted(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0)
    for number in range(20):
        one(xray, f"trace {number}")
    xray.close()
    assert [] == kept().get_all_traces()
    assert [(0,)] == kept().conn.execute("SELECT COUNT(*) FROM main.spans").fetchall()
    assert {("sampled_out", ""): 20} == ledger(kept())


def test_a_share_of_the_traces_is_whole(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.5)
    for number in range(200):
        one(xray, f"trace {number}")
    xray.close()
    traces = kept().get_all_traces(limit=-1)
    assert 50 < len(traces) < 150
    assert {4} == {len(trace.steps) for trace in traces}
    assert {("sampled_out", ""): 200 - len(traces)} == ledger(kept())


def test_failed_ones_are_kept_whole_though_they_were_not_sampled(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0)
    one(xray, "good")
    one(xray, "bad", fails=True)
    xray.close()
    [trace] = kept().get_all_traces()
    assert ("bad", "failed") == (trace.name, trace.status)
    assert ["step 0", "inner", "step 1", "inner"] == [step.name for step in trace.steps]
    assert [{"number": 0}, {"number": 1}] == [s.input for s in trace.steps if s.input]
    assert ["seen"] == [event.name for event in trace.steps[0]._span.events]
    assert ["exception"] == [event.name for event in trace._span.events]
    parents = {step._span.span_id: step._span.parent_id for step in trace.steps}
    assert [trace._span.span_id, trace.steps[0]._span.span_id] == list(parents.values())[:2]
    assert {("sampled_out", ""): 1} == ledger(kept())


def test_unless_that_is_not_wanted(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0, keep_failed=False)
    one(xray, "bad", fails=True)
    xray.close()
    xray = XRay(
        storage=given, sampling_rate=0.0, keep_failed=False, keep_slower_than_seconds=3600.0
    )
    one(xray, "bad and quick", fails=True)
    xray.close()
    assert [] == kept().get_all_traces()


def test_slow_is_meant_in_seconds(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0, keep_slower_than_seconds=5.0)
    with xray.trace("of 20 ms"):
        time.sleep(0.02)
    xray.close()
    assert [] == kept().get_all_traces()


def test_slow_ones_are_kept(target: Any) -> None:
    given, kept = target
    for seconds in (0.0, 3600.0):
        xray = XRay(storage=given, sampling_rate=0.0, keep_slower_than_seconds=seconds)
        one(xray, f"slower than {seconds}")
        xray.close()
    assert ["slower than 0.0"] == [trace.name for trace in kept().get_all_traces()]


def test_what_is_held_back_is_bounded(target: Any) -> None:
    """A trace beyond it is given up, its live model too, and its room is there for the next one."""
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0)
    with suppress(ZeroDivisionError), xray.trace("too large") as trace:
        for number in range(20):
            with trace.step(f"{number}") as step:
                step.set_output({"text": "x" * (HELD_BYTES // 20)})
        assert [] == trace.trace.steps
        _ = 1 / 0
    one(xray, "small", fails=True)
    xray.close()
    assert ["small"] == [trace.name for trace in kept().get_all_traces()]
    assert {("sampled_out", "no room to hold it until its end"): 1} == ledger(kept())


def test_the_room_of_a_trace_that_has_ended_is_there_for_the_next(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0)
    for number in range(3):
        with suppress(ZeroDivisionError), xray.trace(f"{number}") as trace:
            with trace.step("large") as step:
                step.set_output({"text": "x" * (HELD_BYTES // 5)})
            _ = 1 / 0
    xray.close()
    assert {"0", "1", "2"} == {trace.name for trace in kept().get_all_traces()}


def test_no_more_than_the_limit_in_an_hour(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, rate_limit=3)
    for number in range(5):
        one(xray, f"trace {number}", fails=number == 4)
    xray.close()
    names = sorted(trace.name for trace in kept().get_all_traces())
    assert ["trace 0", "trace 1", "trace 2"] == names
    assert {("rate_limited", ""): 2} == ledger(kept())


def test_the_limit_holds_for_those_kept_at_their_end_too(target: Any) -> None:
    given, kept = target
    xray = XRay(storage=given, sampling_rate=0.0, rate_limit=1)
    for number in range(3):
        one(xray, f"trace {number}", fails=True)
    xray.close()
    assert ["trace 0"] == [trace.name for trace in kept().get_all_traces()]
    assert {("rate_limited", ""): 2} == ledger(kept())


def test_spans_inside_one_that_is_not_sampled_are_not_recorded_either(traced: Any) -> None:
    tracer = otel.get_tracer("library")
    with XRay(sampling_rate=0.0).trace("workflow"), tracer.start_as_current_span("call") as call:
        assert not call.is_recording()


@pytest.mark.parametrize(
    "given",
    [
        {"sampling_rate": 1.1},
        {"sampling_rate": "half"},
        {"sampling_rate": True},
        {"rate_limit": -1},
        {"rate_limit": 1.5},
        {"keep_slower_than_seconds": -1},
        {"keep_slower_than_seconds": float("nan")},
        {"remote_url": "ftp://host"},
        {"remote_url": "grpc://host:4317"},
        {"remote_url": "http://host:4318", "storage": SQLiteStorage(":memory:")},
    ],
    ids=" and ".join,
)
def test_what_cannot_be_meant_is_said(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        XRay(**given)
