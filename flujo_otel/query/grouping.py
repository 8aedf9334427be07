"""Siblings that belong together, each such group below a node of its own."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from flujo_otel.model import RunStatus
from flujo_otel.query.tree import Node

Key = TypeVar("Key", int, str)


def grouped(
    siblings: list[Node], key_of: Callable[[Node], Key | None], group_of: Callable[[Key], Node]
) -> list[Node]:
    """`siblings` with each group in the place of its first member; those without a key stay.

    `group_of` makes a group's node, whose members, times and status are set here.
    """
    found: list[Node] = []
    groups: dict[Key, Node] = {}
    for node in siblings:
        key = key_of(node)
        if key is None:
            found.append(node)
            continue
        if key not in groups:
            groups[key] = group_of(key)
            found.append(groups[key])
        groups[key].children.append(node)
    for group in groups.values():
        settle(group)
    return found


def settle(group: Node) -> Node:
    """The times and the status of its members (at least one)."""
    members = group.children
    ends = [node.end_time_ns for node in members]
    group.start_time_ns = min(node.start_time_ns for node in members)
    group.end_time_ns = None if None in ends else max(end for end in ends if end is not None)
    group.status = _worst(node.status for node in members)
    return group


def _worst(statuses: Iterable[str]) -> str:
    severity = (RunStatus.COMPLETED, RunStatus.PAUSED, RunStatus.RUNNING, RunStatus.FAILED)
    rank = {str(status): index for index, status in enumerate(severity)}
    return max(statuses, key=lambda status: rank.get(status, 0))
