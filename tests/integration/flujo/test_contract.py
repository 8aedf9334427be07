"""What a run's spans say: flujo's trace contract v1, and the metadata of FSD-09's FR-30."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flujo import Step
from flujo.domain.models import PipelineContext
from opentelemetry.sdk.trace import ReadableSpan

from flujo_otel.integrations.flujo import FlujoInstrumentor
from flujo_otel.redaction import Redactor, use
from support.flujo_runs import FLUJO, Traced, by_version, last_of, only_on_06
from support.flujo_steps import Costs, add, adds, call, failing_once, loop, pipe, sour
from support.watched import events


class KeepsNothing:
    """A state backend for values that flujo's own cannot serialise."""

    async def load_state(self, run_id: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        async def nothing(*_: Any, **__: Any) -> None:
            return None

        return nothing


@pytest.fixture
def configured() -> Iterator[Any]:
    """An instrumented `Traced` with settings of the test's own."""
    made: list[Traced] = []

    def make(**settings: Any) -> Traced:
        traced = Traced(lambda _: [])
        FlujoInstrumentor().instrument(tracer_provider=traced.provider, **settings)
        made.append(traced)
        return traced

    yield make
    FlujoInstrumentor().uninstrument()
    for traced in made:
        traced.check()


def test_the_run_s_span(instrumented: Traced) -> None:
    result = instrumented.run(adds("one") >> adds("two"), 5, pipeline_version="1.2")
    found = dict(instrumented.named("pipeline_run").attributes)
    context = json.loads(found.pop("flujo.final_context"))
    assert context["initial_prompt"] == "5"
    assert found == {
        "flujo.run_id": result.final_pipeline_context.run_id,
        "flujo.pipeline.name": "demo",
        "flujo.pipeline.version": "1.2",
        "flujo.input": "5",
        "input.value": "5",
        "input.mime_type": "application/json",
        "output.value": "7",
        "output.mime_type": "application/json",
        "flujo.total_cost_usd": 0.0,
        "flujo.total_tokens": 0,
        "flujo.status": "completed",
    }


def test_a_step_s_span(traced: Traced) -> None:
    result = traced.run(adds("one") >> adds("two"), 5)
    run_id = result.final_pipeline_context.run_id
    found = dict(traced.named("two").attributes)
    assert found.pop("latency_s") >= 0
    assert found == {
        "flujo.run_id": run_id,
        "flujo.step.id": f"{run_id}:1",
        "flujo.step.type": "Step",
        "flujo.step.policy": "DefaultAgentStepExecutor",
        "flujo.step.index": 1,
        "input.value": "6",
        "input.mime_type": "application/json",
        "output.value": "7",
        "output.mime_type": "application/json",
        "success": True,
        "flujo.attempt_number": 1,
        "flujo.status": "completed",
    }


def test_types_and_policies_are_flujo_s_class_names(instrumented: Traced) -> None:
    branches = {"a": pipe(adds("in a"))}
    instrumented.run(
        pipe(
            loop("loop", adds("up"), until=lambda *_: True),
            Step.branch_on(name="cond", condition_callable=lambda *_: "a", branches=branches),
            Step.parallel(name="par", branches=branches),
        )
    )
    kinds = {
        span.name: (span.attributes["flujo.step.type"], span.attributes["flujo.step.policy"])
        for span in instrumented.spans[1:]
    }
    assert kinds == {
        "loop": ("LoopStep", "DefaultLoopStepExecutor"),
        "up": ("Step", "DefaultAgentStepExecutor"),
        "cond": ("ConditionalStep", "DefaultConditionalStepExecutor"),
        "in a": ("Step", "DefaultAgentStepExecutor"),
        "par": ("ParallelStep", "DefaultParallelStepExecutor"),
    }


def test_cost_and_tokens_of_steps_and_run(traced: Traced) -> None:
    traced.run(pipe(Step(name="a", agent=Costs()), Step(name="b", agent=Costs())))
    step, run = traced.named("b").attributes, traced.named("pipeline_run").attributes
    assert (step["flujo.cost_usd"], step["flujo.tokens"]) == (5.0, 100)
    assert (run["flujo.total_cost_usd"], run["flujo.total_tokens"]) == (10.0, 200)


def prompts(span: ReadableSpan) -> list[tuple[str, str]]:
    return [
        (event.name, json.loads(str((event.attributes or {})["flujo.context"]))["initial_prompt"])
        for event in span.events
    ]


def test_the_context_at_the_start_and_after_each_step_that_changed_it(
    instrumented: Traced,
) -> None:
    async def note(x: int, *, context: PipelineContext) -> int:
        context.initial_prompt = f"{context.initial_prompt}!"
        return x + 1

    climb = loop("climb", call(note, "up"), until=lambda *_: True)
    instrumented.run(pipe(adds("plain"), climb), 0)
    assert prompts(instrumented.named("pipeline_run")) == [("flujo.context.before", "0")]
    # Its loop's body has a copy of the context.
    assert prompts(instrumented.named("up")) == [
        ("flujo.context.before", "0"),
        ("flujo.context.after", "0!"),
    ]
    if FLUJO < (0, 6):  # which keeps what each step gave in the context
        assert prompts(instrumented.named("plain")) == []
        assert prompts(instrumented.named("climb")) == []


def test_a_context_that_is_cut_is_recorded_after_each_step(configured: Any) -> None:
    """Nobody knows whether it changed."""
    traced = configured(value_limit_bytes=2000)

    async def same(x: str) -> str:
        return x

    traced.run(pipe(call(same, "one"), call(same, "two")), "x" * 50_000)
    for name in ("one", "two"):
        assert events(traced.named(name)) == ["flujo.context.after"]


def test_a_retry_is_one_event_that_counts(traced: Traced) -> None:
    traced.run(pipe(failing_once("flaky", max_retries=3)))
    (event,) = [each for each in traced.named("flaky").events if each.name == "flujo.retry"]
    assert event.attributes["flujo.attempts"] == 2


def test_a_retry_says_what_it_came_after(instrumented: Traced) -> None:
    instrumented.run(pipe(failing_once("flaky", max_retries=3)))
    (event,) = [each for each in instrumented.named("flaky").events if each.name == "flujo.retry"]
    assert event.attributes == {
        "flujo.attempts": 2,
        "exception.type": "ValueError",
        "exception.message": "not yet",
    }


@only_on_06
def test_each_retry_says_what_it_came_after(instrumented: Traced) -> None:
    attempts = iter(range(1, 4))

    async def flaky(x: int) -> int:
        attempt = next(attempts)
        if attempt == 1:
            await asyncio.sleep(30)
        if attempt == 2:
            raise ValueError("not yet")
        return x

    instrumented.run(pipe(call(flaky, "flaky", max_retries=3, timeout_s=0.05)))
    told = [
        [each.attributes.get(name) for name in ("flujo.attempts", "exception.type")]
        for each in instrumented.named("flaky").events
        if each.name == "flujo.retry"
    ]
    assert told == [[2, "TimeoutError"], [3, "ValueError"]]


def test_a_failure_is_told_by_its_exception(traced: Traced) -> None:
    traced.run(pipe(call(sour, "spoil")))
    span = traced.named("spoil")
    assert span.status.description == by_version("sour milk", "ValueError: sour milk")
    assert span.attributes["flujo.error"] == span.status.description


def test_a_failure_inside_a_branch_has_its_exception(instrumented: Traced) -> None:
    route = Step.branch_on(
        name="route",
        condition_callable=lambda *_: "a",
        branches={"a": pipe(call(sour, "spoil", max_retries=1))},
    )
    instrumented.run(pipe(route))
    (event,) = [each for each in instrumented.named("spoil").events if each.name == "exception"]
    assert event.attributes["exception.type"] == "ValueError"
    assert "in sour" in event.attributes["exception.stacktrace"]


def test_what_flujo_says_of_a_branch_is_kept(instrumented: Traced) -> None:
    route = Step.branch_on(
        name="route", condition_callable=lambda *_: "a", branches={"a": pipe(call(sour, "spoil"))}
    )
    instrumented.run(pipe(route))
    assert instrumented.named("route").status.description.startswith("Failure in branch 'a'")


def test_a_fallback_is_an_event_with_the_first_error_kept(traced: Traced) -> None:
    primary = call(sour, "primary", max_retries=1)
    primary.fallback_step = adds("backup")
    traced.run(pipe(primary))
    span = traced.named("primary")
    assert events(span).count("flujo.fallback.triggered") == 1
    assert "sour milk" in span.attributes["flujo.fallback.original_error"]
    if any(each.name == "backup" for each in traced.spans):  # by hook 0.4 keeps the class to itself
        assert "ValueError: sour milk" in span.attributes["flujo.fallback.original_error"]
    assert span.attributes["flujo.attempt_number"] == by_version(1, 2)


def test_a_thousand_rounds_make_no_events_on_the_loop(instrumented: Traced) -> None:
    rounds = 300
    instrumented.run(
        pipe(loop("climb", adds("up"), until=lambda out, _: out >= rounds, max_loops=rounds))
    )
    loop_span = instrumented.named("climb")
    assert len(events(loop_span)) <= 1
    numbers = [
        span.attributes["iteration_number"] for span in instrumented.spans if span.name == "up"
    ]
    assert numbers == list(range(1, rounds + 1))


def test_a_failed_step_says_what_and_of_what_kind(instrumented: Traced) -> None:
    instrumented.run(pipe(call(sour, "bad", max_retries=1)))
    span = instrumented.named("bad")
    assert span.status.description == span.attributes["flujo.error"]
    assert "sour milk" in span.attributes["flujo.error"]
    assert span.attributes["error.type"] == span.attributes["error_type"] == "ValueError"
    assert "output.value" not in span.attributes
    assert instrumented.named("pipeline_run").status.description == span.status.description


def test_inputs_and_outputs_of_any_kind_are_json(traced: Traced) -> None:
    async def model(x: object) -> object:
        return {"set": {1}, "bytes": b"\xff", "error": ValueError("v"), "object": object()}

    traced.run(pipe(call(model, "one")), {"n": [1, (2, 3)]}, state_backend=KeepsNothing())
    attributes = traced.named("one").attributes
    assert json.loads(attributes["input.value"]) == {"n": [1, [2, 3]]}
    output = json.loads(attributes["output.value"])
    assert output.pop("object").startswith("<object object")
    assert output == {
        "set": [1],
        "bytes": "base64:/w==",
        "error": {"type": "ValueError", "message": "v"},
    }


def test_content_can_be_switched_off(configured: Any) -> None:
    traced = configured(content=False)
    traced.run(adds("one") >> call(add, "two"), 5)
    for span in traced.spans:
        assert not {"input.value", "output.value", "flujo.input", "flujo.final_context"} & set(
            span.attributes
        )
        assert events(span) == []
    assert traced.tree() == ("pipeline_run completed\n  one [0] completed\n  two [1] completed")


def test_a_value_over_the_limit_is_cut_visibly_and_counted(configured: Any) -> None:
    async def long(x: str) -> str:
        return "y" * 50_000

    traced = configured(value_limit_bytes=2000)
    traced.run(pipe(call(long, "one")), "x" * 50_000)
    step = traced.named("one").attributes
    for name in ("input.value", "output.value"):
        assert len(step[name].encode()) <= 2000
        assert step[name].endswith('characters cut"')
    # Input and output; the context, with the long prompt in it.
    assert step["flujo.truncated"] >= 3


def test_secrets_in_names_and_keys_are_redacted(instrumented: Traced) -> None:
    secret = "password=hunter2"
    branches = {secret: pipe(adds(f"one {secret}"))}
    instrumented.run(pipe(Step.parallel(name="gather", branches=branches)))
    said = "".join(span.to_json() for span in instrumented.spans)
    assert said.count("password=[REDACTED]") >= 3
    assert "hunter2" not in said


@pytest.fixture
def own_rules() -> Iterator[None]:
    """Redaction by rules of one's own."""
    use(Redactor(keys=["branch"], patterns=["EMP-[0-9]{6}", "Parallel"]))
    yield
    use(None)


def test_steps_have_their_run_s_id_whatever_is_redacted(
    own_rules: None, instrumented: Traced
) -> None:
    context = {"run_id": "EMP-123456 password=hunter2", "initial_prompt": "x"}
    runner = instrumented.runner(pipe(adds("one")), context_model=PipelineContext)
    asyncio.run(last_of(runner.run_async(1, initial_context_data=context)))
    run, step = (instrumented.named(name).attributes for name in ("pipeline_run", "one"))
    assert step["flujo.run_id"] == run["flujo.run_id"] == context["run_id"]
    assert step["flujo.step.id"] == f"{context['run_id']}:0"


def test_rules_of_one_s_own_hold_for_what_a_step_begins_with(
    own_rules: None, instrumented: Traced
) -> None:
    instrumented.run(pipe(Step.parallel(name="gather", branches={"a": pipe(adds("one"))})))
    assert instrumented.named("one").attributes["flujo.branch"] == "[REDACTED]"
    assert instrumented.named("gather").attributes["flujo.step.type"] == "[REDACTED]Step"
