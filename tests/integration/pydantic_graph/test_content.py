"""What is recorded of states, inputs and outputs: as it was then, of bounded size, no secrets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from pydantic import BaseModel, SecretStr

from flujo_otel import redaction
from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor, mark_cached
from flujo_otel.semconv import flujo, graph, openinference
from support.graphs import GraphBuilder, StepContext, TracedGraphs, events, states


@dataclass
class Notes:
    lines: list[str] = field(default_factory=list)
    nested: dict[str, list[int]] = field(default_factory=dict)


def single(step: Any, **options: Any) -> Any:
    builder = GraphBuilder(name="single", **options)
    only = builder.step(step, node_id="only")
    builder.add(
        builder.edge_from(builder.start_node).to(only),
        builder.edge_from(only).to(builder.end_node),
    )
    return builder.build()


def test_a_snapshot_stays_as_it_was_when_the_state_changes_later(traced: TracedGraphs) -> None:
    state = Notes(nested={"numbers": [1]})

    async def change(ctx: StepContext[Notes, None, Any]) -> None:
        ctx.state.lines.append("in the node")
        ctx.state.nested["numbers"].append(2)

    traced.run(single(change, state_type=Notes), state=state)
    state.lines.append("after the run")
    state.nested["numbers"].clear()
    before, after = states(traced.named("only"))
    assert {"lines": [], "nested": {"numbers": [1]}} == before
    assert {"lines": ["in the node"], "nested": {"numbers": [1, 2]}} == after


def test_a_huge_state_is_cut_in_each_event_and_the_cuts_are_counted(traced: TracedGraphs) -> None:
    async def grow(ctx: StepContext[Notes, None, Any]) -> str:
        ctx.state.lines.append("y" * 1_000_000)
        return "z" * 1_000_000

    traced.run(single(grow, state_type=Notes), state=Notes(lines=["x" * 100_000]))
    node = traced.named("only")
    assert [graph.EVENT_STATE_BEFORE, graph.EVENT_STATE_AFTER] == events(node)
    for event in node.events:
        assert len(event.attributes[graph.STATE].encode()) <= 16 * 1024
        json.loads(event.attributes[graph.STATE])
    assert len(node.attributes[openinference.OUTPUT_VALUE]) <= 64 * 1024
    assert 3 == node.attributes[flujo.TRUNCATED]


def test_a_state_that_cannot_be_shown_does_not_break_the_run(traced: TracedGraphs) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    async def work(ctx: StepContext[Any, None, Any]) -> int:
        return 1

    assert 1 == traced.run(single(work), state=Odd())
    said = f"<{Odd.__qualname__} cannot be shown: RuntimeError>"
    assert [said, said] == states(traced.named("only"))


def test_models_hide_what_they_hide(traced: TracedGraphs) -> None:
    class Account(BaseModel):
        name: str
        token: SecretStr

    async def work(ctx: StepContext[Any, None, Any]) -> int:
        return 1

    traced.run(single(work), state=Account(name="me", token=SecretStr("hunter2hunter2")))
    assert "hunter2hunter2" not in str([span.to_json() for span in traced.spans])
    assert "me" == states(traced.named("only"))[0]["name"]


def test_secrets_are_redacted_wherever_they_come_by(traced: TracedGraphs) -> None:
    secret = "sk-proj-" + "a1B2c3D4" * 5

    async def work(ctx: StepContext[dict[str, str], None, dict[str, str]]) -> str:
        raise ValueError(f"refused: api_key={secret}")

    with pytest.raises(ValueError, match=secret):
        traced.run(single(work), state={"password": secret}, inputs={"api_key": secret})
    recorded = "".join(span.to_json() for span in traced.spans)
    assert secret not in recorded
    assert redaction.REDACTED in recorded
    assert secret not in str(traced.named("only").status.description)


def test_a_node_may_say_that_its_result_was_cached(traced: TracedGraphs) -> None:
    async def look_up(ctx: StepContext[Any, None, str]) -> str:
        mark_cached()
        return "from the cache"

    traced.run(single(look_up), inputs="question")
    node = traced.named("only")
    assert "cached" == node.attributes[graph.STATUS]
    assert node.attributes[flujo.CACHE_HIT] is True
    assert "completed" == node.attributes[flujo.STATUS]
    assert "completed" == traced.named("single").attributes[graph.STATUS]


def test_outside_of_a_node_nothing_is_marked(traced: TracedGraphs) -> None:
    async def work(ctx: StepContext[Any, None, str]) -> str:
        return "made"

    mark_cached()
    traced.run(single(work), inputs="question")
    mark_cached()
    node = traced.named("only")
    assert "completed" == node.attributes[graph.STATUS]
    assert flujo.CACHE_HIT not in node.attributes


@pytest.fixture
def silent() -> Iterator[TracedGraphs]:
    """Instrumented with content=False."""
    found = TracedGraphs()
    instrumentor = PydanticGraphInstrumentor()
    instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=found.provider, content=False)
    yield found
    instrumentor.uninstrument()
    found.check()


def test_no_content_is_recorded_where_it_is_switched_off(silent: TracedGraphs) -> None:
    class Untouchable:
        def __repr__(self) -> str:
            raise AssertionError("it was looked at")

    async def work(ctx: StepContext[Any, None, Any]) -> Any:
        return Untouchable()

    silent.run(single(work), state=Untouchable(), inputs=Untouchable())
    for span in silent.spans:
        assert [] == events(span)
        names = {openinference.INPUT_VALUE, openinference.OUTPUT_VALUE, flujo.FINAL_CONTEXT}
        assert names.isdisjoint(span.attributes)


def test_a_run_that_is_not_sampled_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = TracedGraphs(sampler=ALWAYS_OFF)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", found.provider)

    class Untouchable:
        def __repr__(self) -> str:
            raise AssertionError("it was looked at")

    async def work(ctx: StepContext[Any, None, Any]) -> Any:
        return 1

    instrumentor = PydanticGraphInstrumentor()
    instrumentor.uninstrument()
    instrumentor.instrument()
    try:
        assert 1 == found.run(single(work), state=Untouchable(), inputs=Untouchable())
    finally:
        instrumentor.uninstrument()
    found.check()
    assert () == tuple(found.spans)
