"""The JSON of `lens compare` (docs/lens.md)."""

from flujo_otel.query.alignment import Pair, Placed, walk_pairs
from flujo_otel.query.comparison import Comparison
from flujo_otel.query.exchange import exchange_of
from flujo_otel.query.mover import movers
from flujo_otel.query.spending import Spent
from flujo_otel.query.tree import Node
from flujo_otel_cli.changes import change_document
from flujo_otel_cli.comparison.final_changes import final_changes
from flujo_otel_cli.comparison.report import MOVERS
from flujo_otel_cli.comparison.sides import Side, Sides
from flujo_otel_cli.document import Document, run_document, times, usage_document


def comparison_document(sides: Sides, comparison: Comparison, *, values: bool) -> Document:
    """The aligned tree as a flat list, parents before children, as `lens trace` has it."""
    return {
        "base": run_document(sides.base.run) | _inside(sides.base),
        "other": run_document(sides.other.run) | _inside(sides.other),
        "context_changes": [change_document(change) for change in final_changes(sides)],
        "nodes": [
            _node(comparison, placed, values=values) for placed in walk_pairs(comparison.roots)
        ],
        "movers": [
            mover._asdict() | {"change_ns": mover.change_ns} for mover in movers(comparison, MOVERS)
        ],
    }


def _inside(side: Side) -> Document:
    return {"runs_inside": [run_document(inner.run) for inner in side.drawing.inside.values()]}


def _node(comparison: Comparison, placed: Placed, *, values: bool) -> Document:
    pair = placed.pair
    found = comparison.differences[pair]
    was, now = comparison.spent(pair)
    return {
        "depth": placed.depth,
        "name": pair.node.name,
        "round": pair.node.iteration,
        "alike": pair in comparison.alike,
        "base": _side(pair.base, was),
        "other": _side(pair.other, now),
        "change": {
            "duration_ns": found.duration_ns,
            "longer_or_shorter": found.is_longer_or_shorter,
            "status": found.status,
            "tokens": found.tokens,
            "cost_usd": found.cost_usd,
            "input": found.input,
            "output": found.output,
            "facts": [fact._asdict() for fact in found.facts],
            "errors": dict(zip(("base", "other"), found.errors, strict=True)),
        },
        **(_values(pair) if values else {}),
    }


def _side(node: Node | None, spent: Spent | None) -> Document | None:
    if node is None:
        return None
    span = node.span
    return {
        "span_id": span.span_id if span is not None else None,
        "run_id": span.run_id if span is not None else None,
        "status": str(node.status),
        **times(node.start_time_ns, node.end_time_ns),
        "duration_ns": node.duration_ns,
        "usage": usage_document(spent),
    }


def _values(pair: Pair) -> Document:
    exchanges = [
        exchange_of(node.span.attributes)._asdict() if node is not None and node.span else {}
        for node in (pair.base, pair.other)
    ]
    return {
        word: {"base": exchanges[0].get(word), "other": exchanges[1].get(word)}
        for word in ("input", "output")
    }
