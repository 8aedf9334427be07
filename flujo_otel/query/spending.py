"""What a tree's spans used and cost, with the split of tokens that the store's sums do not keep.

As the store adds up (docs/usage.md): of the spans that tell of tokens those count that have none
such beneath them, and likewise for cost.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from flujo_otel.model import Span
from flujo_otel.query.tree import Node, walk
from flujo_otel.usage.tokens import usage_of


class Spent(NamedTuple):
    """Tokens and cost; None: nobody tells."""

    input_tokens: int | None = None
    """All input, cached tokens included."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    total_tokens: int | None = None
    """More than the parts where the split of some is not told."""
    cost_usd: float | None = None
    unpriced_count: int = 0
    """Spans whose tokens count and whose cost nobody knows."""


_NOTHING = Spent()


def of_span(span: Span) -> Spent:
    """What `span` itself tells."""
    used = usage_of(span.attributes)
    split = used[:4] if used is not None else (None, None, None, None)
    return Spent(*split, span.tokens, span.cost_usd)


class Spending(NamedTuple):
    """Of a tree: all of it, and for each span with usage in or below it, by the span's row."""

    whole: Spent = _NOTHING
    by_span: Mapping[str, Spent] = {}


def spending_of(roots: list[Node]) -> Spending:
    """What the trees, and each part of them, come to."""
    by_span: dict[str, Spent] = {}
    totals: dict[int, Spent] = {}
    for node, _ in reversed(list(walk(roots))):
        below = _added(totals.pop(id(child), _NOTHING) for child in node.children)
        whole = below if node.span is None else _with_own(node.span, below)
        if whole != _NOTHING:
            totals[id(node)] = whole
            if node.span is not None:
                by_span[node.span.span_id] = whole
    return Spending(_added(totals.values()), by_span)


def _added(parts: Iterable[Spent]) -> Spent:
    some = [part for part in parts if part != _NOTHING]
    if len(some) < 2:
        return some[0] if some else _NOTHING
    columns = zip(*some, strict=True)
    known = ([value for value in column if value is not None] for column in columns)
    return Spent._make(sum(values) if values else None for values in known)


def _with_own(span: Span, below: Spent) -> Spent:
    if span.tokens is None and span.cost_usd is None:
        return below
    own = of_span(span)
    whole = own if below.total_tokens is None else below
    is_unpriced = own.total_tokens is not None and below.total_tokens is None
    cost = own.cost_usd if below.cost_usd is None else below.cost_usd
    return whole._replace(
        cost_usd=cost, unpriced_count=below.unpriced_count + (is_unpriced and cost is None)
    )
