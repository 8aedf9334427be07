"""Parts of a tree: the failed spans with the way to them; how much lies below a node."""

from flujo_otel.query.tree import Node, walk


def failing(roots: list[Node]) -> set[Node]:
    """Failed nodes and their ancestors."""
    found: set[Node] = set()
    for node in reversed([node for node, _ in walk(roots)]):  # children before their parents
        if node.status == "failed" or not found.isdisjoint(node.children):
            found.add(node)
    return found


def only_failed(roots: list[Node]) -> list[Node]:
    """Failed nodes and their ancestors; alters the nodes' children."""
    kept = failing(roots)
    for node in kept:
        node.children = [child for child in node.children if child in kept]
    return [node for node in roots if node in kept]


def sizes(roots: list[Node]) -> dict[Node, int]:
    """How many spans lie below each node, folded ones and rounds counted as what they stand for."""
    below: dict[Node, int] = {}
    for node in reversed([node for node, _ in walk(roots)]):
        below[node] = sum(below[child] + _weight(child) for child in node.children)
    return below


def _weight(node: Node) -> int:
    if node.fold is not None:
        return sum(inner.span is not None for inner, _ in walk(node.fold.members))
    return 0 if node.span is None else 1
