"""Every shape of pipeline gives its whole tree, drawn: name, index, status, what it adds to it.

`traced` cases are alike by hook and by instrumentor; where there are nested steps the hook alone
shows the top-level ones, and `instrumented` shows all.
"""

import contextlib

from flujo import Step
from flujo.domain.events import HookPayload
from flujo.domain.models import PipelineContext
from pydantic import Field

from support.flujo_runs import Traced, by_version, last_of, only_on_06
from support.flujo_steps import (
    Breaks,
    Picks,
    Streams,
    add,
    adds,
    call,
    failing_once,
    hang,
    late,
    loop,
    pipe,
    sour,
)


def test_one_step(traced: Traced) -> None:
    traced.run(pipe(adds("one")))
    assert traced.tree() == "pipeline_run completed\n  one [0] completed"


def test_steps_in_a_row(traced: Traced) -> None:
    traced.run(adds("one") >> adds("two") >> adds("three"))
    assert traced.tree() == (
        "pipeline_run completed\n  one [0] completed\n  two [1] completed\n  three [2] completed"
    )


def test_one_step_object_in_two_places_has_two_indexes(traced: Traced) -> None:
    step = adds("same")
    traced.run(pipe(step, step))
    assert traced.tree() == ("pipeline_run completed\n  same [0] completed\n  same [1] completed")


def test_spans_made_inside_a_step_are_its_children(traced: Traced) -> None:
    async def spans(x: int) -> int:
        with traced.tracer.start_as_current_span("my own"):
            return x

    traced.run(call(spans, "one") >> call(spans, "two"))
    assert traced.tree() == (
        "pipeline_run completed\n  one [0] completed\n    my own\n  two [1] completed\n    my own"
    )


def test_a_loop_s_steps_have_their_rounds(instrumented: Traced) -> None:
    instrumented.run(pipe(loop("climb", adds("up"), adds("on"), until=lambda out, _: out >= 4)))
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  climb [0] completed 2 rounds exit condition\n"
        "    up [1] completed #1\n"
        "    on [2] completed #1\n"
        "    up [3] completed #2\n"
        "    on [4] completed #2"
    )


def test_a_loop_by_hook(hooked: Traced) -> None:
    hooked.run(pipe(loop("climb", adds("up"), until=lambda out, _: out >= 3)))
    assert hooked.tree() == (
        "pipeline_run completed\n  climb [0] completed 3 rounds exit condition"
    )


def test_a_loop_that_never_meets_its_condition(instrumented: Traced) -> None:
    instrumented.run(pipe(loop("climb", adds("up"), until=lambda *_: False, max_loops=2)))
    assert instrumented.tree() == (
        "pipeline_run failed error _OTHER\n"
        "  climb [0] failed 2 rounds exit max_loops error _OTHER\n"
        "    up [1] completed #1\n"
        "    up [2] completed #2"
    )


def test_a_loop_whose_body_fails_after_its_first_step(traced: Traced) -> None:
    body = adds("up"), call(sour, "spoil")
    traced.run(pipe(loop("climb", *body, until=lambda _, __: True), adds("after")))
    lines = traced.tree().splitlines()
    assert lines[0].startswith("pipeline_run failed error ")
    assert lines[1].startswith("  climb [0] failed 1 rounds exit ")


def test_a_map_s_steps_have_their_item_s_number(instrumented: Traced) -> None:
    class Numbers(PipelineContext):
        numbers: list[int] = Field(default_factory=list)
        initial_prompt: str = ""

    each = Step.map_over("each", pipe(adds("inc")), iterable_input="numbers")
    instrumented.run(pipe(each), context_model=Numbers, initial_context_data={"numbers": [1, 2, 3]})
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  each [0] completed 3 rounds exit condition\n"
        "    inc [1] completed #1\n"
        "    inc [2] completed #2\n"
        "    inc [3] completed #3"
    )


def test_a_loop_in_a_loop(instrumented: Traced) -> None:
    inner = loop("inner", adds("up"), until=lambda out, _: out % 2 == 0)
    instrumented.run(pipe(loop("outer", inner, until=lambda out, _: out >= 4)))
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  outer [0] completed 2 rounds exit condition\n"
        "    inner [1] completed #1 2 rounds exit condition\n"
        "      up [2] completed #1\n"
        "      up [3] completed #2\n"
        "    inner [4] completed #2 2 rounds exit condition\n"
        "      up [5] completed #1\n"
        "      up [6] completed #2"
    )


def test_a_conditional_shows_its_branch_only(instrumented: Traced) -> None:
    route = Step.branch_on(
        name="route",
        condition_callable=lambda *_: "refund",
        branches={"refund": pipe(adds("pay back")), "sell": pipe(adds("sell"))},
    )
    instrumented.run(adds("first") >> route)
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  first [0] completed\n"
        "  route [1] completed -> refund\n"
        "    pay back [2] completed in refund"
    )


def test_a_conditional_by_hook_names_its_branch(hooked: Traced) -> None:
    route = Step.branch_on(
        name="route", condition_callable=lambda *_: "a", branches={"a": pipe(adds("in a"))}
    )
    hooked.run(pipe(route))
    assert hooked.tree() == "pipeline_run completed\n  route [0] completed -> a"


def test_a_conditional_that_takes_its_default(instrumented: Traced) -> None:
    route = Step.branch_on(
        name="route",
        condition_callable=lambda *_: "unheard of",
        branches={"a": pipe(adds("in a"))},
        default_branch_pipeline=pipe(adds("otherwise")),
    )
    instrumented.run(pipe(route))
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  route [0] completed -> unheard of\n"
        "    otherwise [1] completed in default"
    )


def test_parallel_branches(instrumented: Traced) -> None:
    branches = {"a": pipe(adds("a1"), adds("a2")), "b": pipe(adds("b1"))}
    instrumented.run(pipe(Step.parallel(name="gather", branches=branches)))
    assert instrumented.tree() == by_version(
        "pipeline_run completed\n"
        "  gather [0] completed\n"
        "    a1 [1] completed in a\n"
        "    a2 [2] completed in a\n"
        "    b1 [3] completed in b",
        "pipeline_run completed\n"
        "  gather [0] completed -> a, b\n"
        "    a1 [1] completed in a\n"
        "    a2 [2] completed in a\n"
        "    b1 [3] completed in b",
    )


def test_one_step_object_in_two_parallel_branches(instrumented: Traced) -> None:
    step = adds("same")
    branches = {"a": pipe(step), "b": pipe(step)}
    instrumented.run(pipe(Step.parallel(name="gather", branches=branches)))
    assert instrumented.tree() == by_version(
        "pipeline_run completed\n"
        "  gather [0] completed\n"
        "    same [1] completed in a\n"
        "    same [2] completed in b",
        # 0.6 remembers results of its own accord.
        "pipeline_run completed\n"
        "  gather [0] completed -> a, b\n"
        "    same [1] completed in a\n"
        "    same [2] completed in b cached",
    )


def test_a_router_s_branches(instrumented: Traced) -> None:
    branches = {key: pipe(adds(f"in {key}")) for key in "abc"}
    router = Step.dynamic_parallel_branch(name="router", router_agent=Picks(), branches=branches)
    instrumented.run(pipe(router))
    assert instrumented.tree() == by_version(
        "pipeline_run completed\n"
        "  router [0] completed -> a, b\n"
        "    in a [1] completed in a\n"
        "    in b [2] completed in b",
        # 0.6 asks the router's agent in a step of its own.
        "pipeline_run completed\n"
        "  router [0] completed -> a, b\n"
        "    router_router [1] completed\n"
        "    in a [2] completed in a\n"
        "    in b [3] completed in b",
    )


def test_a_pipeline_as_a_step_is_a_subtree_of_the_outer_run(instrumented: Traced) -> None:
    inner = instrumented.runner(adds("i1") >> adds("i2"), pipeline_name="inner")
    instrumented.run(adds("first") >> inner.as_step(name="sub"))
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  first [0] completed\n"
        "  sub [1] completed\n"
        "    pipeline_run completed nested inner\n"
        "      i1 [2] completed\n"
        "      i2 [3] completed"
    )
    assert len({span.attributes["flujo.run_id"] for span in instrumented.spans}) == 1
    roots = [span for span in instrumented.spans if "flujo.pipeline.name" in span.attributes]
    assert [span.parent for span in roots] == [None]


def test_a_pipeline_as_a_step_names_the_id_that_flujo_keeps_it_under(traced: Traced) -> None:
    ids = []

    async def note(payload: HookPayload) -> None:
        if payload.event_name == "pre_run":
            ids.append(payload.context.run_id)

    inner = traced.runner(pipe(adds("i1")))
    inner.hooks.append(note)
    traced.run(pipe(inner.as_step(name="sub")))
    named = [span.attributes.get("flujo.nested.run_id") for span in traced.spans]
    assert [each for each in named if each] == ids


def test_a_pipeline_as_a_step_by_hook(hooked: Traced) -> None:
    inner = hooked.runner(pipe(adds("i1")))
    hooked.run(adds("first") >> inner.as_step(name="sub"))
    assert hooked.tree() == (
        "pipeline_run completed\n"
        "  first [0] completed\n"
        "  sub [1] completed\n"
        "    pipeline_run completed nested demo\n"
        "      i1 [10000] completed"
    )
    assert len({span.attributes["flujo.run_id"] for span in hooked.spans}) == 1


def test_a_cached_step_says_when_it_was_a_hit(instrumented: Traced) -> None:
    runner = instrumented.runner(pipe(Step.cached(adds("inner"))))
    for _ in range(2):
        instrumented.drive(lambda: last_of(runner.run_async(0)))
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  inner [0] completed\n"
        "    inner [1] completed\n"
        "pipeline_run completed\n"
        "  inner [0] completed cached"
    )


def test_a_retried_step(traced: Traced) -> None:
    traced.run(pipe(failing_once("flaky", max_retries=3)))
    assert traced.tree() == "pipeline_run completed\n  flaky [0] completed attempts 2"


def test_a_fallback_is_a_child_of_the_step_that_failed(instrumented: Traced) -> None:
    primary = call(sour, "primary", max_retries=1)
    primary.fallback_step = adds("backup")
    instrumented.run(pipe(primary))
    assert instrumented.tree() == by_version(
        "pipeline_run completed\n  primary [0] completed fell back\n    backup [1] completed",
        "pipeline_run completed\n"
        "  primary [0] completed attempts 2 fell back\n"
        "    backup [1] completed",
    )


def test_a_fallback_that_fails_too(instrumented: Traced) -> None:
    primary = call(sour, "primary", max_retries=1)
    primary.fallback_step = call(sour, "backup", max_retries=1)
    instrumented.run(pipe(primary))
    assert instrumented.tree() == by_version(
        "pipeline_run failed error ValueError\n"
        "  primary [0] failed fell back error ValueError\n"
        "    backup [1] failed error ValueError",
        "pipeline_run failed error ValueError\n"
        "  primary [0] failed attempts 2 fell back error ValueError\n"
        "    backup [1] failed error ValueError",
    )


def test_a_callable_that_fails(instrumented: Traced) -> None:
    instrumented.run(adds("first") >> call(sour, "bad", max_retries=2))
    assert instrumented.tree() == by_version(
        "pipeline_run failed error ValueError\n"
        "  first [0] completed\n"
        "  bad [1] failed attempts 2 error ValueError",
        "pipeline_run failed error ValueError\n"
        "  first [0] completed\n"
        "  bad [1] failed attempts 3 error ValueError",
    )


def test_a_callable_that_fails_by_hook(hooked: Traced) -> None:
    hooked.run(pipe(call(sour, "bad", max_retries=2)))
    assert hooked.tree() == by_version(
        # 0.4 gives its hooks the exception's text alone.
        "pipeline_run failed error _OTHER\n  bad [0] failed attempts 2 error _OTHER",
        "pipeline_run failed error ValueError\n  bad [0] failed attempts 3 error ValueError",
    )


def test_a_callable_that_times_out(instrumented: Traced) -> None:
    instrumented.run(pipe(call(late, "late", max_retries=1)))
    assert instrumented.tree() == by_version(
        "pipeline_run failed error timeout\n  late [0] failed error timeout",
        "pipeline_run failed error timeout\n  late [0] failed attempts 2 error timeout",
    )


@only_on_06
def test_flujo_s_own_timeout_of_a_step(traced: Traced) -> None:
    traced.run(pipe(call(hang, "slow", timeout_s=0.05, max_retries=0)))
    assert traced.tree() == "pipeline_run failed error timeout\n  slow [0] failed error timeout"


def test_an_agent_that_raises_in_mid_pipeline(traced: Traced) -> None:
    agent = Step(name="agent", agent=Breaks(), max_retries=1)  # type: ignore[call-arg]
    with contextlib.suppress(RuntimeError):  # 0.4 raises, 0.6 does not
        traced.run(adds("first") >> agent >> adds("never"))
    assert traced.tree() == by_version(
        "pipeline_run failed error RuntimeError\n"
        "  first [0] completed\n"
        "  agent [1] failed error RuntimeError",
        "pipeline_run failed error RuntimeError\n"
        "  first [0] completed\n"
        "  agent [1] failed attempts 2 error RuntimeError",
    )


def test_a_failing_parallel_branch(instrumented: Traced) -> None:
    branches = {"a": pipe(adds("good")), "b": pipe(call(sour, "bad", max_retries=1))}
    instrumented.run(pipe(Step.parallel(name="gather", branches=branches)))
    assert instrumented.tree() == by_version(
        "pipeline_run failed error _OTHER\n"
        "  gather [0] failed error _OTHER\n"
        "    good [1] completed in a\n"
        "    bad [2] failed in b error ValueError",
        "pipeline_run failed error _OTHER\n"
        "  gather [0] failed -> a, b error _OTHER\n"
        "    good [1] completed in a\n"
        "    bad [2] failed in b attempts 2 error ValueError",
    )


def test_a_streaming_step(traced: Traced) -> None:
    traced.run(adds("first") >> Step(name="stream", agent=Streams()))
    assert traced.tree() == (
        "pipeline_run completed\n  first [0] completed\n  stream [1] completed"
    )


@only_on_06
def test_a_background_step_s_body_is_a_child_of_its_launch(instrumented: Traced) -> None:
    import asyncio

    async def main() -> None:
        background = call(add, "later", execution_mode="background")
        runner = instrumented.runner(adds("first") >> background >> adds("last"))
        await last_of(runner.run_async(0))
        while instrumented.watch.open:
            await asyncio.sleep(0.01)

    instrumented.drive(main)
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  first [0] completed\n"
        "  later [1] completed\n"
        "    later [3] completed\n"
        "  last [2] completed"
    )


@only_on_06
def test_a_state_machine_s_states(instrumented: Traced) -> None:
    from flujo.domain.dsl.state_machine import StateMachineStep

    machine = StateMachineStep(
        name="machine",
        start_state="a",
        end_states=["end"],
        states={"a": pipe(adds("in a")), "b": pipe(adds("in b"))},
        transitions=[
            {"from": "a", "on": "success", "to": "b"},
            {"from": "b", "on": "success", "to": "end"},
        ],
    )
    instrumented.run(pipe(machine))
    assert instrumented.tree() == (
        "pipeline_run completed\n"
        "  machine [0] completed\n"
        "    in a [1] completed\n"
        "    in b [2] completed"
    )
