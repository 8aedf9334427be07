"""A parallel step's children by branch: one node for each that has several steps."""

from collections.abc import Iterable
from typing import Final

from flujo_otel.query.grouping import grouped
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import PARALLEL_BRANCH, STEP_TYPE

_PARALLEL: Final = ("ParallelStep", "DynamicParallelRouterStep")
"""flujo's. Of a graph's forks nothing says where one ends and the next begins."""
_BRANCH: Final = "branch "


def group_branches(roots: Iterable[Node]) -> None:
    """Where branches have several steps, which ran among each other, each has them beneath a node
    of its own; a branch of one step is that step's node."""
    for node, _ in walk(list(roots)):
        if is_parallel(node):
            branches = grouped(node.children, branch_of, branch_node)
            node.children = [_single(branch) for branch in branches]


def is_parallel(node: Node) -> bool:
    """Whether its children are grouped by branch."""
    return node.span is not None and node.span.attributes.get(STEP_TYPE) in _PARALLEL


def branch_node(branch: str) -> Node:
    """Without its steps."""
    return Node(f"{_BRANCH}{branch}", "", 0, None)


def branch_of(node: Node) -> str | None:
    """The branch that it belongs to, or that it stands for."""
    if node.span is None:
        is_branch = node.fold is None and node.iteration is None
        return node.name.removeprefix(_BRANCH) if is_branch else None
    branch = node.span.attributes.get(PARALLEL_BRANCH)
    return None if branch is None else str(branch)


def _single(node: Node) -> Node:
    return node.children[0] if node.span is None and len(node.children) == 1 else node
