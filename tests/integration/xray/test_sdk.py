"""What a program that uses the SDK sees, and what is kept: by default and in a storage alike."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest

from flujo_otel import XRay
from flujo_otel.storage.moments import to_ns
from flujo_otel.storage.sqlite import SQLiteStorage
from support.xray import Way


def test_what_is_kept_is_what_the_live_models_say(way: Way) -> None:
    with way.xray.trace("workflow") as trace:
        trace.set_metadata({"tenant": "acme"})
        trace.set_metadata({"attempt": 1})
        with trace.step("decide") as step:
            step.set_input({"query": "naïve", "tags": ["a", None, 1.5, {"deep": True}]})
            step.set_metadata({"a": 1, "b": 1})
            step.set_metadata({"b": 2})
            step.add_ranking("x", 0.9, "close", item_data={"price": 3})
            step.add_ranking("y", Decimal("0.4"))
            step.add_llm_metadata("m", provider="openai", finish_reason="stop", own=[1])
            step.set_output({})
            step.set_reasoning("it was near")
            assert "running" == step.step.status
    kept = way.kept(trace)
    assert trace.trace == kept
    assert {"tenant": "acme", "attempt": 1} == kept.metadata
    metadata = kept.steps[0].metadata
    assert {"a": 1, "b": 2} == {key: metadata[key] for key in "ab"}
    assert [("x", 1, 0.9), ("y", 2, 0.4)] == [
        (c["item_id"], c["rank"], c["score"]) for c in metadata["ranked_candidates"]
    ]
    assert ("openai", "stop", [1]) == tuple(
        metadata["llm"][key] for key in ("provider", "finish_reason", "own")
    )


def test_a_trace_is_stored_once(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("one"):
        pass
    way.kept(trace)
    storage = way.storage or way.traced.storage()
    counts = [
        storage.conn.execute(f"SELECT COUNT(*) FROM main.{table}").fetchone()[0]
        for table in ("runs", "steps", "spans")
    ]
    assert [1, 1, 2] == counts


def test_saving_a_live_trace_where_it_is_already_adds_nothing(traced: Any) -> None:
    with XRay().trace("workflow") as trace, trace.step("one") as step:
        step.set_output({"x": 1})
    storage = traced.storage()
    before = storage.conn.execute("SELECT COUNT(*) FROM spans").fetchone()
    storage.save_trace(trace.trace)
    assert before == storage.conn.execute("SELECT COUNT(*) FROM spans").fetchone()
    assert trace.trace == storage.get_trace(trace.trace.trace_id)


def test_a_finished_trace_is_archived_whole_into_another_storage(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("one"):
        pass
    archive = SQLiteStorage(":memory:")
    archive.save_trace(way.kept(trace))
    assert trace.trace == archive.get_trace(trace.trace.trace_id)


def test_inputs_are_kept_as_they_were_when_they_were_set(way: Way) -> None:
    shopping = {"items": ["milk"]}
    with way.xray.trace("workflow") as trace, trace.step("one") as step:
        step.set_input(shopping)
        step.add_evaluation("i", shopping, [], True)
        shopping["items"].append("beer")
        assert {"items": ["milk"]} == step.step.input
    [kept] = way.kept(trace).steps
    assert {"items": ["milk"]} == kept.input
    assert {"items": ["milk"]} == kept.metadata["evaluations"][0]["item_data"]


def test_what_is_changed_on_the_live_model_is_kept(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("one") as step:
        step.set_input({"a": 1})
        step.step.input["b"] = 2
        step.step.metadata["c"] = 3
    [kept] = way.kept(trace).steps
    assert ({"a": 1, "b": 2}, {"c": 3}) == (kept.input, kept.metadata)


@pytest.mark.parametrize("sampling_rate", [1, 0])
def test_a_name_that_is_changed_on_the_live_model_is_kept(way: Way, sampling_rate: int) -> None:
    xray = XRay(storage=way.storage, sampling_rate=sampling_rate, keep_slower_than_seconds=0)
    with xray.trace("workflow") as trace, trace.step("one") as step:
        trace.trace.name = "password=hunter2"
        step.step.name = "two"
    kept = way.newest()
    assert ["password=[REDACTED]", "two"] == [kept.name, kept.steps[0].name]
    storage = way.storage or way.traced.storage()
    listed = storage.conn.execute("SELECT pipeline_name FROM main.runs").fetchall()
    assert [("password=[REDACTED]",)] == listed


def test_an_exception_marks_step_and_trace_and_propagates(way: Way) -> None:
    with (
        pytest.raises(KeyError),
        way.xray.trace("workflow") as trace,
        trace.step("outer") as outer,
        outer.step("inner"),
    ):
        raise KeyError("gone")
    kept = way.kept(trace)
    assert ["failed"] * 3 == [kept.status, *(step.status for step in kept.steps)]
    assert ["'gone'"] * 2 == [step.error for step in kept.steps]
    recorded = {step.name: step._span.events for step in kept.steps if step._span}
    [event] = recorded.pop("inner")
    assert ("exception", {"outer": []}) == (event.name, recorded)
    inner = next(step for step in kept.steps if step.name == "inner")
    assert inner.end_time is not None
    assert to_ns(inner.end_time) == event.time_ns, "not after its span's end"


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, SystemExit(3)])
def test_an_interruption_is_a_failure(way: Way, error: Any) -> None:
    with (
        pytest.raises(BaseException),  # noqa: B017
        way.xray.trace("workflow") as trace,
        trace.step("one"),
    ):
        raise error
    assert ["failed", "failed"] == [way.kept(trace).status, way.kept(trace).steps[0].status]


def test_a_plain_exit_is_none(way: Way) -> None:
    with pytest.raises(SystemExit), way.xray.trace("workflow") as trace:
        raise SystemExit
    assert "completed" == way.kept(trace).status


def test_an_error_that_is_handled_inside_leaves_the_trace_completed(way: Way) -> None:
    with way.xray.trace("workflow") as trace:
        with pytest.raises(ValueError), trace.step("one"):
            raise ValueError("no")
        with trace.step("two"):
            pass
    kept = way.kept(trace)
    assert ("completed", ["failed", "completed"]) == (kept.status, [s.status for s in kept.steps])


def test_ten_thousand_evaluations_on_one_step_survive(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("filter") as step:
        for number in range(10_000):
            step.add_evaluation(
                f"item-{number}",
                {"price": number},
                [{"name": "price", "passed": number % 2 == 0, "detail": "…"}],
                number % 2 == 0,
            )
    evaluations = way.kept(trace).steps[0].metadata["evaluations"]
    assert [f"item-{number}" for number in range(10_000)] == [e["item_id"] for e in evaluations]
    assert trace.trace.steps[0].metadata["evaluations"] == evaluations


def test_events_are_kept(way: Way) -> None:
    before_ns = time.time_ns()
    with way.xray.trace("workflow") as trace, trace.step("one") as step:
        step.add_event("cache miss", {"key": "k", "tried": 2, "parts": ["a"]})
        trace.add_event("half way")
    kept = way.kept(trace)
    [event] = kept.steps[0]._span.events  # type: ignore[union-attr]
    assert ("cache miss", {"key": "k", "tried": 2, "parts": '["a"]'}) == (
        event.name,
        event.attributes,
    )
    assert before_ns <= event.time_ns <= time.time_ns()
    assert ["half way"] == [each.name for each in kept._span.events]  # type: ignore[union-attr]


def test_odd_values_become_what_json_can_say(way: Way) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    circle: list[Any] = []
    circle.append(circle)
    with way.xray.trace("odd \ud800") as trace, trace.step("one") as step:
        step.set_input(
            {1: float("nan"), "bytes": b"\xff", "odd": Odd(), "circle": circle, "big": 1 << 5000}
        )
        step.set_output("no mapping")  # type: ignore[arg-type]
        step.set_reasoning("lone \udcff")
        step.add_llm_metadata("m", temperature=float("inf"), usage=object())
    kept = way.kept(trace)
    assert trace.trace == kept
    [one] = kept.steps
    assert ("NaN", "/w==") == (one.input["1"], one.input["bytes"])
    assert ["<list that contains itself>"] == one.input["circle"]
    assert {"value": "no mapping"} == one.output


def test_secrets_are_kept_nowhere_but_in_the_live_model(way: Way) -> None:
    with pytest.raises(ValueError), way.xray.trace("workflow") as trace:
        trace.set_metadata({"password": "hunter2-hunter2"})
        with trace.step("one") as step:
            step.set_input({"api_key": "sk-live-0123456789abcdefABCDEF"})
            step.add_event(
                "e sk-live-0123456789abcdefABCDEF", {"authorization": "Bearer abcdefghijklmnop"}
            )
            raise ValueError("password=hunter2-hunter2")
    assert "sk-live-0123456789abcdefABCDEF" == step.step.input["api_key"]
    kept = way.kept(trace)
    rows = (way.storage or way.traced.storage()).conn.execute("SELECT * FROM main.spans").fetchall()
    said = repr(rows) + kept.model_dump_json()
    for secret in ("hunter2", "sk-live-0123456789", "abcdefghijklmnop"):
        assert secret not in said
    assert "[REDACTED]" in kept.steps[0].input["api_key"]


def test_times_are_local_and_durations_are_never_negative(way: Way) -> None:
    from datetime import datetime

    before = datetime.now()
    with way.xray.trace("workflow") as trace, trace.step("one"):
        time.sleep(0.002)
    after = datetime.now()
    kept = way.kept(trace)
    assert before.replace(microsecond=before.microsecond) <= kept.start_time
    assert kept.end_time is not None
    assert kept.end_time <= after
    assert kept.duration_ms is not None
    assert kept.duration_ms >= 2
