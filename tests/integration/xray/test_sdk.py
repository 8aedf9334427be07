"""What a program that uses the SDK sees, and what is kept: by default and in a storage alike."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import trace as otel

from flujo_otel import Trace, XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.xray import CarryingThreadPoolExecutor, TraceContext, carry


@dataclass
class Way:
    """An XRay, and how to see what it kept."""

    xray: XRay
    traced: Any
    storage: SQLiteStorage | None

    def kept(self, trace: TraceContext | str) -> Trace:
        trace_id = trace if isinstance(trace, str) else trace.trace.trace_id
        found = (self.storage or self.traced.storage()).get_trace(trace_id)
        assert found is not None
        return found

    def newest(self) -> Trace:
        [newest] = (self.storage or self.traced.storage()).get_all_traces(limit=1)
        return newest

    def parents(self, trace: TraceContext) -> dict[str, str | None]:
        """The name of each step's parent."""
        kept = self.kept(trace)
        names = {step._span.span_id: step.name for step in kept.steps if step._span}
        assert kept._span is not None
        names[kept._span.span_id] = kept.name
        return {s.name: names.get(s._span.parent_id or "") for s in kept.steps if s._span}


@pytest.fixture(params=["spans", "storage", "same file"])
def way(request: pytest.FixtureRequest, traced: Any) -> Way:
    """`same file`: a storage that names the very file that the process writes its spans to."""
    if request.param == "spans":
        return Way(XRay(), traced, None)
    storage = SQLiteStorage(":memory:" if request.param == "storage" else traced.db)
    return Way(XRay(storage=storage), traced, storage)


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
    recorded = {step.name: [e.name for e in step._span.events] for step in kept.steps if step._span}
    assert {"outer": [], "inner": ["exception"]} == recorded


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


def test_steps_nest_by_step_step_and_where_they_run(way: Way) -> None:
    with way.xray.trace("workflow") as trace:
        with trace.step("a") as a:
            with a.step("b") as b, b.step("c"):
                pass
            with trace.step("d"):
                pass
        with trace.step("e"):
            pass
    expected = {"a": "workflow", "b": "a", "c": "b", "d": "a", "e": "workflow"}
    assert expected == way.parents(trace)
    assert list("abcde") == [step.name for step in way.kept(trace).steps]


def test_spans_of_libraries_inside_a_step_hang_under_it(way: Way) -> None:
    tracer = otel.get_tracer("library")
    with way.xray.trace("workflow") as trace, trace.step("one") as step:
        with tracer.start_as_current_span("call") as call:
            context = call.get_span_context()
        facts = step.step._span
    assert facts is not None
    assert (facts.trace_id, facts.span_id) == (
        f"{context.trace_id:032x}",
        f"{call.parent.span_id:016x}",  # type: ignore[attr-defined]
    )


def test_two_traces_in_one_opentelemetry_trace_stay_two(way: Way) -> None:
    with otel.get_tracer("program").start_as_current_span("outer"):
        with way.xray.trace("first") as first, first.step("one"):
            pass
        with way.xray.trace("second") as second, second.step("two"):
            pass
    assert [["one"], ["two"]] == [[s.name for s in way.kept(t).steps] for t in (first, second)]


def test_what_was_current_is_current_again(way: Way) -> None:
    with otel.get_tracer("program").start_as_current_span("outer") as outer:
        with way.xray.trace("workflow") as trace, trace.step("one"):
            assert otel.get_current_span() is not outer
        assert otel.get_current_span() is outer


def test_scopes_may_be_left_in_any_order(way: Way) -> None:
    before = otel.get_current_span()
    trace = way.xray.trace("workflow")
    trace.__enter__()
    a, b = trace.step("a"), trace.step("b")
    a.__enter__()
    b.__enter__()
    trace.__exit__(None, None, None)
    a.__exit__(None, None, None)
    b.__exit__(None, None, None)
    assert before is otel.get_current_span()
    assert ["completed", "completed"] == [step.status for step in way.kept(trace).steps]


def test_entering_and_leaving_twice_changes_nothing(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("one") as step, step:
        pass
    assert ["one"] == [each.name for each in way.kept(trace).steps]
    step.__exit__(None, None, None)
    trace.__exit__(None, None, None)


async def test_async_with_and_tasks(way: Way) -> None:
    @way.xray.step
    async def work(number: int) -> int:
        await asyncio.sleep(0.01 * (3 - number))
        return number

    async with way.xray.trace("workflow") as trace, trace.step("all"):
        assert [0, 1, 2] == await asyncio.gather(*(work(number) for number in range(3)))
        await asyncio.to_thread(lambda: trace.step("in a thread").__enter__().finish())
    parents = way.parents(trace)
    assert {"workflow", "all"} == set(parents.values())
    assert "all" == parents["in a thread"]
    assert [{"value": n} for n in range(3)] == [
        step.output for step in way.kept(trace).steps if step.name == "work"
    ]


def test_threads_and_executors_with_and_without_help(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("parent"):

        def named(name: str) -> None:
            with way.xray.step(name):
                pass

        with CarryingThreadPoolExecutor(2) as pool:
            list(pool.map(named, ["pool 1", "pool 2"]))
            pool.submit(named, "pool 3").result()
        with ThreadPoolExecutor(2) as plain:
            list(plain.map(carry(named), ["carried 1", "carried 2"]))

        def alone() -> None:
            with trace.step("alone"):
                pass

        thread = threading.Thread(target=alone)
        thread.start()
        thread.join()
    parents = way.parents(trace)
    assert "workflow" == parents.pop("alone")
    assert {"parent"} == {parents[name] for name in parents if name != "parent"}
    assert 7 == len(way.kept(trace).steps)


def test_many_threads_at_once(way: Way) -> None:
    def many(worker: int) -> None:
        for number in range(20):
            with trace.step(f"{worker}.{number}") as step:
                step.add_evaluation("i", {}, [], True)

    with way.xray.trace("workflow") as trace:
        threads = [threading.Thread(target=many, args=(worker,)) for worker in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    steps = way.kept(trace).steps
    assert 100 == len({step.name for step in steps}) == len(steps)
    assert list(range(100)) == [step.step_order for step in steps]


def test_decorated_functions(way: Way) -> None:
    class Shop:
        @way.xray.step("price it")
        def price(self, item: str, *, currency: str = "EUR") -> dict[str, Any]:
            """Doc."""
            return {"price": len(item)}

    @way.xray.traced
    def workflow(items: list[str]) -> int:
        return sum(Shop().price(item)["price"] for item in items)

    assert 7 == workflow(["tea", "cake"])
    assert ("price", "Doc.") == (Shop.price.__name__, Shop.price.__doc__)
    kept = way.newest()
    assert {"input": {"items": ["tea", "cake"]}, "output": {"value": 7}} == kept.metadata
    assert ["price it", "price it"] == [step.name for step in kept.steps]
    assert {"item": "tea", "currency": "EUR"} == kept.steps[0].input
    assert {"price": 3} == kept.steps[0].output


def test_a_decorated_function_s_own_errors_come_through(way: Way) -> None:
    @way.xray.traced("named")
    def fails(number: int) -> None:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        fails(1)
    with pytest.raises(TypeError, match="number"):
        fails()  # type: ignore[call-arg]
    assert ("named", "failed") == (way.newest().name, way.newest().status)


def test_a_step_with_no_trace_open_has_one_of_its_own(way: Way) -> None:
    @way.xray.step
    def lonely() -> str:
        return "here"

    lonely()
    kept = way.newest()
    assert ("lonely", ["lonely"]) == (kept.name, [step.name for step in kept.steps])


def test_a_decorated_generator_is_current_only_while_it_runs(way: Way) -> None:
    seen = []

    @way.xray.step
    def produce(count: int) -> Iterator[int]:
        for number in range(count):
            seen.append(otel.get_current_span().get_span_context().span_id)
            got = yield number
            seen.append(got)

    with way.xray.trace("workflow") as trace:
        outside = otel.get_current_span()
        generator = produce(2)
        assert 0 == next(generator)
        assert outside is otel.get_current_span()
        assert 1 == generator.send("hello")
        with pytest.raises(StopIteration):
            next(generator)
    [step] = way.kept(trace).steps
    assert {"items": [0, 1], "count": 2} == step.output
    assert [step._span.span_id] * 2 == [f"{seen[0]:016x}", f"{seen[2]:016x}"]  # type: ignore[union-attr]
    assert ["hello", None] == [seen[1], seen[3]]


def test_a_generator_that_is_abandoned_has_ended(way: Way) -> None:
    @way.xray.step
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    with way.xray.trace("workflow") as trace:
        outside = otel.get_current_span()
        for number in endless():
            if number == 3:
                break
        gc.collect()
        assert outside is otel.get_current_span()
    [step] = way.kept(trace).steps
    assert ("completed", {"items": [1, 2, 3], "count": 3}) == (step.status, step.output)


def test_a_generator_that_fails(way: Way) -> None:
    @way.xray.step
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("after one")

    with way.xray.trace("workflow") as trace:
        with pytest.raises(ValueError, match="after one"):
            list(broken())
        generator = broken()
        next(generator)
        with pytest.raises(RuntimeError, match="thrown in"):
            generator.throw(RuntimeError("thrown in"))
    assert ["after one", "thrown in"] == [step.error for step in way.kept(trace).steps]


async def test_a_decorated_async_generator(way: Way) -> None:
    @way.xray.step
    async def produce(count: int) -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0)
            yield number

    async with way.xray.trace("workflow") as trace:
        outside = otel.get_current_span()
        assert [0, 1, 2] == [number async for number in produce(3)]
        early = produce(9)
        await anext(early)
        assert outside is otel.get_current_span()
        await early.aclose()  # type: ignore[attr-defined]
        failing = produce(9)
        await anext(failing)
        with pytest.raises(ValueError):
            await failing.athrow(ValueError("stop"))  # type: ignore[attr-defined]
    steps = way.kept(trace).steps
    assert ["completed", "completed", "failed"] == [step.status for step in steps]
    assert [3, 1, 1] == [step.output["count"] for step in steps if step.output]


def test_a_step_inside_another_generator_s_with_may_be_left_late(way: Way) -> None:
    def consume() -> Iterator[int]:
        with trace.step("in a generator"):
            yield 1

    before = otel.get_current_span()
    with way.xray.trace("workflow") as trace:
        generator = consume()
        next(generator)
    generator.close()
    assert before is otel.get_current_span()
    assert "completed" == way.kept(trace).steps[0].status


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
