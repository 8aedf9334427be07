"""A loop's children by round: one node for each, with the body's steps beneath."""

from collections.abc import Iterable
from typing import Any

from flujo_otel.model import RunStatus, Span
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import ITERATION_NUMBER


def group_rounds(roots: Iterable[Node]) -> None:
    """Give each round of a loop a node of its own; a round of one step is that step's node."""
    for node, _ in walk(list(roots)):
        is_round = node.span is None  # its steps say their round too
        if not is_round and any(_round_of(child) is not None for child in node.children):
            node.children = _grouped(node.children)


def _grouped(children: list[Node]) -> list[Node]:
    grouped: list[Node] = []
    rounds: dict[int, Node] = {}
    for child in children:
        number = _round_of(child)
        if number is None:
            grouped.append(child)
        elif number in rounds:
            rounds[number].children.append(child)
        else:
            rounds[number] = Node("", "", 0, None, children=[child], iteration=number)
            grouped.append(rounds[number])
    return [_settled(node) if node.span is None else node for node in grouped]


def _settled(group: Node) -> Node:
    """A round's own times and status from its steps; the step itself where it is the only one."""
    steps = group.children
    if len(steps) == 1:
        steps[0].iteration = group.iteration
        return steps[0]
    ends = [step.end_time_ns for step in steps]
    group.start_time_ns = min(step.start_time_ns for step in steps)
    group.end_time_ns = None if None in ends else max(end for end in ends if end is not None)
    group.status = _worst(step.status for step in steps)
    return group


def _worst(statuses: Iterable[str]) -> str:
    severity = (RunStatus.COMPLETED, RunStatus.PAUSED, RunStatus.RUNNING, RunStatus.FAILED)
    rank = {str(status): index for index, status in enumerate(severity)}
    return max(statuses, key=lambda status: rank.get(status, 0))


def _round_of(node: Node) -> int | None:
    return round_of(node.span) if node.span else None


def round_of(span: Span) -> int | None:
    """The round of a loop, from 1 on, that `span` is of; None: of none."""
    number: Any = span.attributes.get(ITERATION_NUMBER)
    return number if isinstance(number, int) and not isinstance(number, bool) else None
