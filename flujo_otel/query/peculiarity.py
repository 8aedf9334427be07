"""What explains why a span ran as it did, by name, so that it can be compared with another's."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flujo_otel.model import Span
from flujo_otel.query import exchange
from flujo_otel.query.subject import answer_of, called_of, model_of
from flujo_otel.query.tree import Node
from flujo_otel.semconv import flujo, graph, langchain, xray

_SAID: Final = {
    flujo.BRANCH_KEY: "branch",
    flujo.EXECUTED_BRANCHES: "branches",
    flujo.LOOP_ITERATIONS: "rounds",
    flujo.LOOP_EXIT_REASON: "exit",
    flujo.CACHE_HIT: "cached",
    flujo.FALLBACK_TRIGGERED: "fallback",
}
SILENT: Final = frozenset(
    {
        *exchange.READ,
        flujo.RUN_ID,
        flujo.STEP_ID,
        flujo.STEP_INDEX,
        flujo.STEP_LATENCY_SECONDS,
        flujo.COST_USD,
        flujo.TOKENS,
    }
)
"""Attributes of which no peculiarity is read: most spans differ in these alone."""
_ROUNDS_ARE_ATTEMPTS: Final = ("LoopStep", "MapStep")
"""flujo's types of steps whose attempts are their rounds."""
_ENDED_EARLY: Final = (graph.CANCELLED, graph.ABANDONED)
_REQUEST: Final = "gen_ai.request."
"""Of what a model was asked with: temperature, most tokens, seed."""


def peculiarities_of(node: Node) -> Mapping[str, Any]:
    """Each only where it is said, and says something: `attempts` from two on."""
    return dict(_said(node.name, node.span)) if node.span is not None else {}


def _said(name: str, span: Span) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    for attribute, word in _SAID.items():
        if attributes.get(attribute):
            yield word, attributes[attribute]
    attempts = _attempts(span)
    if attempts > 1:
        yield "attempts", attempts
    if attributes.get(graph.STATUS) in _ENDED_EARLY:
        yield "ended", attributes[graph.STATUS]
    called = " ".join(called_of(name, attributes))
    for word, text in (("called", called), ("model", model_of("", attributes))):
        if text:
            yield word, text
    answer = answer_of(attributes)
    if answer:
        yield "answered", answer
    for key, value in attributes.items():
        if key.startswith(_REQUEST) and key != f"{_REQUEST}model":
            yield key.removeprefix(_REQUEST), value
    if not attributes.keys().isdisjoint(xray.DECISION):
        yield from _decided(attributes)


def _attempts(span: Span) -> int:
    if span.attributes.get(flujo.STEP_TYPE) in _ROUNDS_ARE_ATTEMPTS:
        return 1
    stated = span.attributes.get(flujo.STEP_ATTEMPTS)
    if isinstance(stated, int):
        return stated
    return 1 + sum(event.name == langchain.EVENT_RETRY for event in span.events)


def _decided(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from flujo_otel.query.decision import decision_of  # few runs tell of any

    decision = decision_of(attributes)
    if decision is not None and decision.evaluations:
        yield "passed", f"{decision.qualified_count:,} of {len(decision.evaluations):,}"
    if decision is not None and decision.candidates:
        first = min(decision.candidates, key=lambda candidate: candidate.rank)
        yield "first", first.item_id
