"""Decorated functions and generators: each call is a trace or a step."""

import asyncio
import gc
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import closing
from typing import Any

import pytest
from opentelemetry import trace as otel

from flujo_otel import XRay
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.factory import open_reader
from integration.xray.conftest import Traced
from support.xray import Way


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


def test_a_decorated_object_whose_call_is_async_lasts_until_that_ends(way: Way) -> None:
    class Model:
        async def __call__(self, question: str) -> str:
            await asyncio.sleep(0)
            raise ValueError(question)

    with pytest.raises(ValueError):
        asyncio.run(way.xray.traced(Model())("why"))
    kept = way.newest()
    assert ("failed", {"input": {"question": "why"}}) == (kept.status, kept.metadata)


def test_a_call_without_arguments_has_no_input(way: Way) -> None:
    @way.xray.step
    def inner() -> None: ...

    @way.xray.traced
    def workflow() -> int:
        inner()
        return 7

    workflow()
    kept = way.newest()
    assert ({"output": {"value": 7}}, "inner") == (kept.metadata, kept.steps[0].name)


def test_a_step_that_was_called_without_arguments_has_no_input(traced: Traced) -> None:
    xray = XRay()

    @xray.step
    def inner() -> None: ...

    with xray.trace("workflow"):
        inner()
    assert traced.provider.force_flush()
    with closing(open_reader(traced.db)) as reader:
        [run] = reader.list_runs(RunFilter(), 1)
        [step] = [span for span in reader.spans(run.run_id) if span.name == "inner"]
    assert [] == [key for key in step.attributes if "input" in key]


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
    def produce(count: int) -> Generator[int, str, None]:
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
    def broken() -> Generator[int, None, None]:
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
    def consume() -> Generator[int, None, None]:
        with trace.step("in a generator"):
            yield 1

    before = otel.get_current_span()
    with way.xray.trace("workflow") as trace:
        generator = consume()
        next(generator)
    generator.close()
    assert before is otel.get_current_span()
    assert "completed" == way.kept(trace).steps[0].status
