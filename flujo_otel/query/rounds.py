"""A loop's children by round: one node for each, with the body's steps beneath."""

from collections.abc import Iterable
from typing import Any

from flujo_otel.model import Span
from flujo_otel.query.grouping import grouped
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import ITERATION_NUMBER


def group_rounds(roots: Iterable[Node]) -> None:
    """Give each round of a loop a node of its own; a round of one step is that step's node."""
    for node, _ in walk(list(roots)):
        is_round = node.span is None  # its steps say their round too
        if not is_round and any(_round_of(child) is not None for child in node.children):
            node.children = [
                _single(child) for child in grouped(node.children, _round_of, round_node)
            ]


def round_node(number: int) -> Node:
    """Without its steps."""
    return Node("", "", 0, None, iteration=number)


def _single(node: Node) -> Node:
    if node.span is not None or len(node.children) > 1:
        return node
    (step,) = node.children
    step.iteration = node.iteration
    return step


def _round_of(node: Node) -> int | None:
    return round_of(node.span) if node.span else None


def round_of(span: Span) -> int | None:
    """The round of a loop, from 1 on, that `span` is of; None: of none."""
    number: Any = span.attributes.get(ITERATION_NUMBER)
    return number if isinstance(number, int) and not isinstance(number, bool) else None
