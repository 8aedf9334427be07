"""What no program should do, and does: it is recorded as well as may be, and raises nothing."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest

from flujo_otel import Trace, XRay
from flujo_otel.errors import SettingsError
from flujo_otel.storage.traces import Step


class Bad:
    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __bool__ = __len__ = __iter__ = __str__  # type: ignore[assignment]


def only_trace(traced: Any) -> Trace:
    [trace] = traced.storage().get_all_traces()
    return trace


def by_name(trace: Trace) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in trace.steps:
        found.setdefault(step.name, []).append(step)
    return found


ODD: list[Any] = [Bad(), 10**5000, b"\xff", None, float("nan"), ["a", Bad()], object()]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_is_given_to_the_methods_of_a_step_is_recorded(traced: Any, odd: Any) -> None:
    xray = XRay()
    with xray.trace(odd) as trace, trace.step(odd) as step:
        step.set_reasoning(odd)
        step.set_input(odd)
        step.set_output(odd)
        step.set_metadata(odd)
        step.add_event(odd, {"odd": odd})
        step.add_evaluation(odd, odd, odd, odd, odd)
        step.add_ranking(odd, odd, odd, rank=odd)
        step.add_llm_metadata(odd, odd, odd, seed=odd, cost_usd=odd)
        with xray.step(odd):
            pass
    stored = only_trace(traced)
    assert "completed" == stored.status
    assert ["completed", "completed"] == [step.status for step in stored.steps]


@pytest.mark.parametrize("score", ["sNaN", "NaN", "1e999", "-0.5"])
def test_a_candidate_stays_whatever_its_score(traced: Any, score: str) -> None:
    with XRay().trace("ranking") as trace, trace.step("rank") as step:
        step.add_ranking("a", Decimal(score))
        step.add_ranking("b", 0.5)
    [stored] = only_trace(traced).steps
    assert ["a", "b"] == [each["item_id"] for each in stored.metadata["ranked_candidates"]]


def test_what_the_program_breaks_on_the_live_model_breaks_nothing_else(
    traced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE", raising=False)
    with XRay().trace("broken") as trace, trace.step("one") as step:
        step.step.metadata = None  # type: ignore[assignment]
        step.set_metadata({"a": 1})
        step.add_evaluation("a", {}, [], True)
        with step.nested("two") as nested:
            nested.set_output({"b": 2})
    stored = only_trace(traced)
    assert ("broken", "completed") == (stored.name, stored.status)
    steps = [(step.name, step.status, step.output) for step in stored.steps]
    assert [("one", "completed", None), ("two", "completed", {"b": 2})] == steps


def test_a_storage_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="storage is 5; it must be a StorageBackend"):
        XRay(storage=5)  # type: ignore[arg-type]


def test_one_step_object_in_many_threads_blames_the_one_that_failed(traced: Any) -> None:
    xray = XRay()
    load = xray.step("load")
    inside, first_out = Barrier(2), Barrier(2)

    def work(name: str) -> None:
        with xray.trace(name):
            try:
                with load:
                    inside.wait(10)
                    if name == "good":
                        first_out.wait(10)
                    else:
                        raise LookupError(name)
            except LookupError:
                first_out.wait(10)

    threads = [Thread(target=work, args=(name,)) for name in ("bad", "good")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {trace.name: trace.steps[0] for trace in traced.storage().get_all_traces()}
    assert ("failed", "bad") == (kept["bad"].status, kept["bad"].error)
    assert ("completed", None) == (kept["good"].status, kept["good"].error)


def test_the_same_in_many_tasks_and_within_itself(traced: Any) -> None:
    xray = XRay()
    load = xray.step("load")

    async def work(number: int) -> None:
        with xray.trace(f"task {number}"), load:
            await asyncio.sleep(0.001 * (5 - number))
            with load as inner:
                inner.set_output({"number": number})
                await asyncio.sleep(0)
                if number == 2:
                    raise LookupError("two")

    async def all_of_them() -> None:
        await asyncio.gather(*map(work, range(5)), return_exceptions=True)

    asyncio.run(all_of_them())
    for trace in traced.storage().get_all_traces():
        expected = "failed" if trace.name == "task 2" else "completed"
        assert [expected, expected] == [step.status for step in trace.steps]
        assert {"number": int(trace.name[-1])} == trace.steps[1].output


def test_an_async_generator_that_is_left_early_has_not_failed(traced: Any) -> None:
    xray = XRay()

    @xray.step
    async def numbers() -> AsyncIterator[int]:
        for number in range(9):
            yield number

    async def main() -> None:
        with xray.trace("left early"):
            async for _ in numbers():
                break

    asyncio.run(main())
    [step] = only_trace(traced).steps
    assert ("completed", None) == (step.status, step.error)
    assert {"items": [0], "count": 1} == step.output
