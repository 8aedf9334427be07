"""Runs that do not simply run through: stopped, cancelled, left, concurrent, paused, resumed."""

import asyncio
import contextlib
import gc
from typing import Any

import pytest
from flujo import Step
from flujo.domain.models import UsageLimits
from flujo.exceptions import PipelineAbortSignal, UsageLimitExceededError

from flujo_otel.integrations.flujo import paused_runs
from support.flujo_runs import FLUJO, Traced, by_version, last_of, only_on_06
from support.flujo_steps import Costs, Streams, adds, call, hang, loop, pipe, sour
from support.watched import events


def ask(name: str) -> Any:
    return Step.human_in_the_loop(name=name, message_for_user=f"{name}?")


def test_a_usage_limit(traced: Traced) -> None:
    with pytest.raises(UsageLimitExceededError):
        traced.run(
            adds("first") >> Step(name="costly", agent=Costs()) >> adds("never"),
            usage_limits=UsageLimits(total_cost_usd_limit=1.0),  # type: ignore[call-arg]
        )
    assert traced.tree() == (
        "pipeline_run failed error UsageLimitExceededError\n"
        "  first [0] completed\n"
        "  costly [1] failed error UsageLimitExceededError"
    )
    assert "flujo.budget.violation" in events(traced.named("pipeline_run"))


@only_on_06  # 0.4's is what the step before gave
def test_a_run_that_went_over_its_limit_has_no_output(traced: Traced) -> None:
    with pytest.raises(UsageLimitExceededError):
        traced.run(
            adds("first") >> Step(name="costly", agent=Costs()),
            usage_limits=UsageLimits(total_cost_usd_limit=1.0),  # type: ignore[call-arg]
        )
    assert "output.value" not in traced.named("pipeline_run").attributes


def test_a_run_whose_output_is_none_has_that(traced: Traced) -> None:
    async def nothing(x: int) -> None: ...

    traced.run(pipe(call(nothing, "nothing")))
    assert "null" == traced.named("pipeline_run").attributes["output.value"]


@only_on_06  # 0.4 keeps to itself what the step used
def test_what_went_over_the_limit_was_paid_for(instrumented: Traced) -> None:
    with pytest.raises(UsageLimitExceededError):
        instrumented.run(
            pipe(adds("first"), Step(name="costly", agent=Costs()), adds("never")),
            usage_limits=UsageLimits(total_cost_usd_limit=1.0),  # type: ignore[call-arg]
        )
    costly = instrumented.named("costly").attributes
    assert (costly["flujo.cost_usd"], costly["flujo.tokens"]) == (5, 100)


def test_a_run_s_budget_is_on_its_span(instrumented: Traced) -> None:
    limits = UsageLimits(total_cost_usd_limit=1.0, total_tokens_limit=500)
    instrumented.run(pipe(adds("one")), usage_limits=limits)
    found = instrumented.named("pipeline_run").attributes
    assert found["flujo.budget.initial_cost_usd"] == 1.0
    assert found["flujo.budget.initial_tokens"] == 500


def test_a_usage_limit_that_cancels_a_parallel_branch(instrumented: Traced) -> None:
    branches = {"a": pipe(Step(name="costly", agent=Costs())), "b": pipe(call(hang, "hang"))}
    with pytest.raises(UsageLimitExceededError):
        instrumented.run(
            pipe(Step.parallel(name="gather", branches=branches)),
            usage_limits=UsageLimits(total_cost_usd_limit=1.0),  # type: ignore[call-arg]
        )
    assert instrumented.tree() == (
        "pipeline_run failed error UsageLimitExceededError\n"
        "  gather [0] failed error UsageLimitExceededError\n"
        "    costly [1] failed in a error UsageLimitExceededError\n"
        "    hang [2] failed in b error CancelledError"
    )


def test_an_abort_by_another_hook(traced: Traced) -> None:
    async def stop(payload: object) -> None:
        if getattr(payload, "event_name", None) == "post_step":
            raise PipelineAbortSignal("enough")

    traced.run(adds("first") >> adds("never"), hooks=[stop])
    # flujo's own verdicts: 0.4 has an empty history and calls that failed, 0.6 calls it paused.
    assert traced.tree() == by_version(
        "pipeline_run failed error _OTHER\n  first [0] completed",
        "pipeline_run paused\n  first [0] completed",
    )


def cancelled(traced: Traced) -> None:
    async def main() -> None:
        runner = traced.runner(adds("first") >> call(hang, "hang") >> adds("never"))
        task = asyncio.create_task(last_of(runner.run_async(0)))
        while len(traced.watch.order) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    traced.drive(main)


def test_a_cancelled_run(instrumented: Traced) -> None:
    cancelled(instrumented)
    assert instrumented.tree() == (
        "pipeline_run failed error CancelledError\n"
        "  first [0] completed\n"
        "  hang [1] failed error CancelledError"
    )


def test_a_cancelled_run_by_hook(hooked: Traced) -> None:
    cancelled(hooked)
    assert hooked.tree() == (
        "pipeline_run failed error _OTHER\n  first [0] completed\n  hang [1] failed error _OTHER"
    )


def test_two_concurrent_runs_on_one_runner(traced: Traced) -> None:
    async def main() -> None:
        runner = traced.runner(adds("one") >> adds("two"))
        await asyncio.gather(last_of(runner.run_async(0)), last_of(runner.run_async(10)))

    traced.drive(main)
    assert traced.tree() == (
        "pipeline_run completed\n"
        "  one [0] completed\n"
        "  two [1] completed\n"
        "pipeline_run completed\n"
        "  one [0] completed\n"
        "  two [1] completed"
    )
    assert len({span.context.trace_id for span in traced.spans}) == 2
    assert len({span.attributes["flujo.run_id"] for span in traced.spans}) == 2


def test_a_consumer_that_takes_each_item_in_a_task_of_its_own(traced: Traced) -> None:
    async def main() -> None:
        runner = traced.runner(adds("first") >> Step(name="stream", agent=Streams()))
        source = aiter(runner.stream_async(0))

        async def take() -> Any:
            return await anext(source)

        with contextlib.suppress(StopAsyncIteration):
            while True:
                await asyncio.create_task(take())

    traced.drive(main)
    assert traced.tree() == (
        "pipeline_run completed\n  first [0] completed\n  stream [1] completed"
    )


def abandoned(traced: Traced) -> None:
    async def main() -> None:
        runner = traced.runner(adds("first") >> Step(name="stream", agent=Streams(hangs=True)))
        async for _ in runner.stream_async(0):
            break
        gc.collect()
        await asyncio.sleep(0.01)

    traced.drive(lambda: asyncio.wait_for(main(), 5))


@pytest.mark.skipif(FLUJO >= (0, 6), reason="0.6 yields no chunk before its step has ended")
def test_a_run_that_its_consumer_abandons(traced: Traced) -> None:
    abandoned(traced)
    assert traced.tree().replace("CancelledError", "_OTHER") == (
        "pipeline_run failed error _OTHER\n  first [0] completed\n  stream [1] failed error _OTHER"
    )


def test_a_run_that_its_consumer_leaves_after_a_chunk(traced: Traced) -> None:
    async def main() -> None:
        runner = traced.runner(adds("first") >> Step(name="stream", agent=Streams()))
        async for _ in runner.stream_async(0):
            break
        gc.collect()
        await asyncio.sleep(0.3)

    traced.drive(main)
    assert [span.name for span in traced.spans] == ["pipeline_run", "first", "stream"]
    assert {span.parent.span_id for span in traced.spans[1:]} == {traced.spans[0].context.span_id}


def test_a_consumer_s_spans_are_never_inside_a_streaming_step(traced: Traced) -> None:
    async def main() -> None:
        runner = traced.runner(pipe(Step(name="stream", agent=Streams())))
        async for _ in runner.stream_async(0):
            with traced.tracer.start_as_current_span("consumer"):
                pass

    traced.drive(main)
    assert {span.parent for span in traced.spans if span.name == "consumer"} == {None}


def paused(traced: Traced, pipeline: Any) -> tuple[Any, Any]:
    runner = traced.runner(pipeline)
    return runner, traced.drive(lambda: last_of(runner.run_async(0)))


def test_a_pause_is_no_error(traced: Traced) -> None:
    paused(traced, adds("first") >> ask("ask") >> adds("after"))
    assert traced.tree() == ("pipeline_run paused\n  first [0] completed\n  ask [1] paused")
    for name in ("pipeline_run", "ask"):
        (event,) = [each for each in traced.named(name).events if each.name == "flujo.paused"]
        assert event.attributes["flujo.message"] == "ask?"


def test_a_resumed_run_goes_on_in_its_first_trace(instrumented: Traced) -> None:
    pipeline = adds("first") >> ask("ask") >> adds("mid") >> ask("again") >> adds("last")
    runner, result = paused(instrumented, pipeline)
    for answer in (5, 6):
        result = instrumented.drive(lambda a=answer, r=result: runner.resume_async(r, a))
    assert instrumented.tree() == (
        "pipeline_run paused\n"
        "  first [0] completed\n"
        "  ask [1] paused\n"
        "  pipeline_run paused resumed\n"
        "    mid [2] completed\n"
        "    again [3] paused\n"
        "    pipeline_run completed resumed\n"
        "      last [4] completed"
    )
    assert len({span.context.trace_id for span in instrumented.spans}) == 1
    assert len({span.attributes["flujo.run_id"] for span in instrumented.spans}) == 1
    last = instrumented.spans[-2]
    assert events(last) == ["flujo.context.before", "flujo.resumed"]
    assert last.attributes["input.value"] == "6"


def test_a_run_that_was_paused_elsewhere_goes_on_under_its_id(instrumented: Traced) -> None:
    runner, result = paused(instrumented, adds("first") >> ask("ask") >> adds("after"))
    paused_runs.forget(instrumented.spans[-1].attributes["flujo.run_id"])  # as in another process
    instrumented.drive(lambda: runner.resume_async(result, 5))
    assert instrumented.tree() == (
        "pipeline_run paused\n"
        "  first [0] completed\n"
        "  ask [1] paused\n"
        "pipeline_run completed resumed\n"
        "  after [2] completed"
    )
    assert len({span.attributes["flujo.run_id"] for span in instrumented.spans}) == 1


def test_resuming_what_is_not_paused_adds_nothing_to_the_run(instrumented: Traced) -> None:
    runner, result = paused(instrumented, pipe(adds("one")))
    with pytest.raises(Exception, match="not paused"):
        instrumented.drive(lambda: runner.resume_async(result, 5))
    assert instrumented.tree() == "pipeline_run completed\n  one [0] completed"


def test_a_step_that_fails_after_the_answer(instrumented: Traced) -> None:
    pipeline = adds("first") >> ask("ask") >> call(sour, "bad", max_retries=1)
    runner, result = paused(instrumented, pipeline)
    instrumented.drive(lambda: runner.resume_async(result, 5))
    assert instrumented.tree().replace(" attempts 2", "") == (
        "pipeline_run paused\n"
        "  first [0] completed\n"
        "  ask [1] paused\n"
        "  pipeline_run failed resumed error ValueError\n"
        "    bad [2] failed error ValueError"
    )


async def leave(x: Any) -> Any:
    return x


def failed_after_the_answer(traced: Traced, *steps: Any) -> str:
    """The status of the part that went on with the answer."""
    runner, result = paused(traced, pipe(*steps))
    traced.drive(lambda: runner.resume_async(result, 5))
    parts = [span for span in traced.spans if span.name == "pipeline_run"]
    latest = max(parts, key=lambda span: span.start_time or 0)
    return str(latest.attributes["flujo.status"])


def test_a_run_that_fails_after_the_answer_and_before_its_last_step(instrumented: Traced) -> None:
    steps = ask("ask"), call(sour, "bad"), call(leave, "after")
    assert failed_after_the_answer(instrumented, *steps) == "failed"


@only_on_06
def test_by_hook_a_run_that_fails_after_the_answer(hooked: Traced) -> None:
    steps = ask("ask"), call(sour, "bad"), call(leave, "after")
    assert failed_after_the_answer(hooked, *steps) == "failed"


@only_on_06  # 0.4 does not go on with a loop
def test_a_loop_that_fails_after_the_answer(instrumented: Traced) -> None:
    body = adds("up"), ask("ask"), call(sour, "bad")
    climb = loop("climb", *body, until=lambda *_: True)
    assert failed_after_the_answer(instrumented, climb, call(leave, "after")) == "failed"


def test_a_resumed_run_counts_what_the_part_before_cost_once(traced: Traced) -> None:
    costs = Step.model_validate({"name": "costs", "agent": Costs()})
    runner, result = paused(traced, costs >> ask("ask") >> adds("after"))
    traced.drive(lambda: runner.resume_async(result, 5))
    said = [
        [span.attributes[name] for name in ("flujo.total_cost_usd", "flujo.total_tokens")]
        for span in traced.spans
        if span.name == "pipeline_run"
    ]
    assert sorted(said) in ([[0, 0], [5, 100]], [[5, 100]])


@only_on_06  # 0.4 begins such a run anew
def test_a_run_that_goes_on_after_a_crash_has_the_cost_of_its_own_part(
    instrumented: Traced,
) -> None:
    from flujo.state.backends.memory import InMemoryBackend

    calls: list[int] = []

    async def breaks_once(x: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return x

    first, last = (
        Step.model_validate({"name": name, "agent": Costs()}) for name in ("first", "last")
    )
    pipeline, backend = first >> call(breaks_once, "breaks") >> last, InMemoryBackend()
    for _ in range(2):
        runner = instrumented.runner(pipeline, state_backend=backend)
        with contextlib.suppress(KeyboardInterrupt):
            instrumented.drive(lambda r=runner: last_of(r.run_async(0, run_id="one")))
    parts = [span for span in instrumented.spans if span.name == "pipeline_run"]
    assert [span.attributes["flujo.total_cost_usd"] for span in parts] == [5, 5]
    assert [span.attributes["flujo.total_tokens"] for span in parts] == [100, 100]


def test_a_resumed_run_has_the_cost_of_its_own_part(instrumented: Traced) -> None:
    first, second = (
        Step.model_validate({"name": name, "agent": Costs()}) for name in ("first", "second")
    )
    runner, result = paused(instrumented, first >> ask("ask") >> second)
    instrumented.drive(lambda: runner.resume_async(result, 5))
    parts = [span for span in instrumented.spans if span.name == "pipeline_run"]
    assert [span.attributes["flujo.total_cost_usd"] for span in parts] == [5, 5]
    assert [span.attributes["flujo.total_tokens"] for span in parts] == [100, 100]


def test_a_resumed_run_by_hook(hooked: Traced) -> None:
    runner, result = paused(hooked, adds("first") >> ask("ask") >> adds("after"))
    hooked.drive(lambda: runner.resume_async(result, 5))
    assert hooked.tree() == by_version(
        # 0.4 tells hooks neither that a run goes on nor that it ends.
        "pipeline_run paused\n  first [0] completed\n  ask [1] paused\n  after [2] completed",
        "pipeline_run paused\n"
        "  first [0] completed\n"
        "  ask [1] paused\n"
        "  pipeline_run completed resumed\n"
        "    after [2] completed",
    )
    assert len({span.context.trace_id for span in hooked.spans}) == 1
    assert len({span.attributes["flujo.run_id"] for span in hooked.spans}) == 1
    # What the human answered, nobody tells a hook.
    resumed = [span for span in hooked.spans if span.attributes.get("flujo.resumed")]
    assert not any("input.value" in span.attributes for span in resumed)


def test_a_pause_inside_a_loop(instrumented: Traced) -> None:
    climb = loop("climb", adds("up"), ask("ask"), until=lambda *_: True)
    runner, result = paused(instrumented, adds("first") >> climb >> adds("after"))
    instrumented.drive(lambda: runner.resume_async(result, 5))
    assert instrumented.tree() == by_version(
        # 0.4 takes the answer for the whole loop's result.
        "pipeline_run paused\n"
        "  first [0] completed\n"
        "  climb [1] paused\n"
        "    up [3] completed #1\n"
        "    ask [4] paused #1\n"
        "  pipeline_run completed resumed\n"
        "    after [2] completed",
        # 0.6 goes on in the loop's round; a step that is resumed keeps its index.
        "pipeline_run paused\n"
        "  first [0] completed\n"
        "  climb [1] paused\n"
        "    up [3] completed #1\n"
        "    ask [4] paused #1\n"
        "  pipeline_run completed resumed\n"
        "    climb [1] completed 1 rounds exit condition\n"
        "    after [2] completed",
    )


def test_a_pause_inside_a_loop_by_hook(hooked: Traced) -> None:
    climb = loop("climb", adds("up"), ask("ask"), until=lambda *_: True)
    paused(hooked, adds("first") >> climb >> adds("after"))
    assert hooked.tree() == ("pipeline_run paused\n  first [0] completed\n  climb [1] paused")


def test_a_run_started_while_an_exception_is_handled_is_not_blamed_for_it(traced: Traced) -> None:
    runner = traced.runner(pipe(adds("one")))

    async def main() -> None:
        try:
            raise KeyError("the caller's own")
        except KeyError:
            await last_of(runner.run_async(0))

    traced.drive(main)
    assert traced.tree() == "pipeline_run completed\n  one [0] completed"


def test_a_run_that_flujo_never_ends_is_ended_by_the_next(traced: Traced) -> None:
    class Breaks:
        async def load_state(self, run_id: str) -> None:
            return None

        async def save_state(self, run_id: str, state: Any) -> None:
            if state["status"] != "running":
                raise OSError("disk full")

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            return self.nothing

        async def nothing(self, *_: Any, **__: Any) -> None:
            return None

    with contextlib.suppress(OSError):
        traced.run(adds("one") >> adds("two"), state_backend=Breaks())
    gc.collect()
    traced.run(pipe(adds("fine")))
    assert traced.tree().endswith("pipeline_run completed\n  fine [0] completed")
