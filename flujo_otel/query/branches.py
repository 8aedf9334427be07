"""A parallel step's children by branch: one node for each that has several steps."""

from collections.abc import Iterable
from typing import Final

from flujo_otel.query.grouping import grouped
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import PARALLEL_BRANCH, STEP_TYPE

_PARALLEL: Final = ("ParallelStep", "DynamicParallelRouterStep")
"""flujo's. Of a graph's forks nothing says where one ends and the next begins."""


def group_branches(roots: Iterable[Node]) -> None:
    """Where branches have several steps, which ran among each other, each has them beneath a node
    of its own; a branch of one step is that step's node."""
    for node, _ in walk(list(roots)):
        if node.span is not None and node.span.attributes.get(STEP_TYPE) in _PARALLEL:
            branches = grouped(node.children, _branch_of, branch_node)
            node.children = [_single(branch) for branch in branches]


def branch_node(branch: str) -> Node:
    """Without its steps."""
    return Node(f"branch {branch}", "", 0, None)


def _single(node: Node) -> Node:
    return node.children[0] if node.span is None and len(node.children) == 1 else node


def _branch_of(node: Node) -> str | None:
    branch = node.span.attributes.get(PARALLEL_BRANCH) if node.span else None
    return None if branch is None else str(branch)
