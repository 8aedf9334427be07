"""flujo 0.6 counts one token for each text that a function returns: these are no model's."""

from typing import Any

from flujo import Flujo, Step

from support.flujo_runs import Traced, last_of
from support.flujo_steps import call, loop, pipe


async def text(_: Any) -> str:
    return "some text"


class Reply:
    """What an agent with usage of unknown cost gives back."""

    output = "a text of a model"
    cost_usd = 0.0
    token_counts = 100


class Model:
    async def run(self, data: Any, **_: Any) -> Reply:
        return Reply()


def texts(*names: str) -> Any:
    return pipe(*(call(text, name) for name in names))


def asks(name: str) -> Any:
    return Step.model_validate({"name": name, "agent": Model()})


def told(traced: Traced) -> dict[str, Any]:
    """The tokens that spans tell of, by name."""
    found = {
        span.name: span.attributes.get("flujo.tokens", span.attributes.get("flujo.total_tokens"))
        for span in traced.spans
    }
    return {name: tokens for name, tokens in found.items() if tokens}


def test_texts_of_functions_have_no_tokens(traced: Traced) -> None:
    traced.run(texts("one", "two"))
    assert told(traced) == {}
    assert traced.named("pipeline_run").attributes["flujo.total_tokens"] == 0


def test_a_loop_over_texts_has_none(traced: Traced) -> None:
    rounds = iter(range(3))
    body = loop("loop", call(text, "a"), call(text, "b"), until=lambda *_: next(rounds) == 2)
    traced.run(pipe(body))
    assert told(traced) == {}


def test_branches_of_texts_have_none(instrumented: Traced) -> None:
    branches = {"a": texts("a1", "a2"), "b": texts("b1")}
    route = Step.branch_on(name="route", condition_callable=lambda *_: "a", branches=branches)
    gather = Step.parallel(name="gather", branches={"a": texts("c1"), "b": texts("c2", "c3")})
    instrumented.run(pipe(route, gather))
    assert told(instrumented) == {}


def test_a_pipeline_of_texts_inside_a_step_has_none(traced: Traced) -> None:
    inner = traced.runner(texts("a", "b"), pipeline_name="inner")
    traced.run(pipe(inner.as_step(name="nested")), "go")
    assert told(traced) == {}


def test_a_result_of_such_a_pipeline_that_is_handed_on_has_none(traced: Traced) -> None:
    async def hand_on(result: Any) -> Any:
        return result

    inner = traced.runner(texts("a", "b"), pipeline_name="inner")
    traced.run(
        pipe(inner.as_step(name="nested"), call(hand_on, "on"), call(hand_on, "again")), "go"
    )
    runs = [span for span in traced.spans if span.name == "pipeline_run"]
    assert [run.attributes["flujo.total_tokens"] for run in runs] == [0, 0]


def test_retries_and_a_fallback_that_give_texts_have_none(traced: Traced) -> None:
    async def sour(_: Any) -> str:
        raise ValueError("sour milk")

    primary = call(sour, "primary", max_retries=1)
    primary.fallback_step = call(text, "backup")
    traced.run(pipe(primary))
    assert told(traced) == {}


def test_a_models_tokens_stay_whole_beside_texts(traced: Traced) -> None:
    traced.run(pipe(call(text, "before"), asks("model"), call(text, "after")))
    assert told(traced) == {"model": 100, "pipeline_run": 100}


def test_a_models_tokens_in_a_loop_stay_whole(traced: Traced) -> None:
    rounds = iter(range(2))
    body = loop("loop", call(text, "a"), asks("model"), until=lambda *_: next(rounds) == 1)
    traced.run(pipe(body))
    in_loop = {"model": 100} if any(span.name == "model" for span in traced.spans) else {}
    assert told(traced) == {**in_loop, "loop": 200, "pipeline_run": 200}


def test_a_models_tokens_in_a_pipeline_inside_a_step_stay_whole(traced: Traced) -> None:
    inner = traced.runner(pipe(call(text, "a"), asks("model")), pipeline_name="inner")
    traced.run(pipe(call(text, "before"), inner.as_step(name="nested")), "go")
    assert {"model": 100, "pipeline_run": 100}.items() <= told(traced).items()


def test_a_single_token_that_is_paid_for_is_a_models(traced: Traced) -> None:
    class Dear:
        async def run(self, data: Any, **_: Any) -> Any:
            reply = Reply()
            reply.token_counts, reply.cost_usd = 1, 0.01  # type: ignore[misc]
            return reply

    traced.run(pipe(Step.model_validate({"name": "dear", "agent": Dear()})))
    assert told(traced) == {"dear": 1, "pipeline_run": 1}


def test_our_backend_keeps_none_of_an_untraced_run(tmp_path: Any) -> None:
    import asyncio

    from flujo_otel import SQLiteBackend

    rounds = iter(range(2))
    body = loop("loop", call(text, "a"), until=lambda *_: next(rounds) == 1)
    backend = SQLiteBackend(tmp_path / "ours.db")
    runner = Flujo(pipe(body, call(text, "b"), asks("model")), state_backend=backend)
    asyncio.run(last_of(runner.run_async("go")))
    (run,) = asyncio.run(backend.list_runs())
    steps = asyncio.run(backend.list_run_steps(run["run_id"]))
    assert {step["step_name"]: step["tokens"] for step in steps} == {
        "loop": 0,
        "b": 0,
        "model": 100,
    }
