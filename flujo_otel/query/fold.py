"""Many equal siblings as one node, so that 10,000 of them are one line.

Equal is: the same status, and names that differ in their digits at most (`item 1`, `item 2`).
Failed ones fold apart from the others, and those with a failure beneath them do too, so that none
hides: of these the first stay unfolded. The messages of a web request (`asgi`) are one node however
few there are.
"""

import re
from collections.abc import Iterable

from flujo_otel.query.asgi import is_message, kinds_of
from flujo_otel.query.prune import failing
from flujo_otel.query.tree import Fold, Node, walk

FOLD_ABOVE = 20
"""That many equal siblings are still shown one by one."""
SIBLINGS_SHOWN = 200
"""Of siblings that are not equal, the first so many are shown, the rest as one."""
OTHERS = "others"
ROUNDS = "rounds"

_DIGITS = re.compile(r"\d+")


def fold(roots: list[Node]) -> list[Node]:
    """The roots with equal siblings folded, at every level; alters the nodes' children."""
    failed = failing(roots)
    folded = _fold_siblings(roots, failed)
    for node, _ in walk(folded):
        if node.children:
            node.children = _fold_siblings(node.children, failed)
    return folded


def fold_nodes(name: str, nodes: list[Node]) -> Node:
    """One node for `nodes` (at least one)."""
    durations = [(node.duration_ns or 0, node) for node in nodes if node.end_time_ns is not None]
    worst_ns, worst = max(durations, key=lambda pair: pair[0], default=(0, nodes[0]))
    ends = [node.end_time_ns for node in nodes]
    return Node(
        name,
        nodes[0].status,
        min(node.start_time_ns for node in nodes),
        None if None in ends else max(end for end in ends if end is not None),
        iteration=nodes[0].iteration,
        fold=Fold(nodes, sum(duration for duration, _ in durations), worst_ns, worst),
    )


def _fold_siblings(siblings: list[Node], failed: set[Node]) -> list[Node]:
    siblings = _without_messages(siblings)
    if len(siblings) <= FOLD_ABOVE:
        return siblings
    kinds: dict[tuple[str, str, bool, int, bool], list[Node]] = {}
    for node in siblings:
        kinds.setdefault((*_kind(node), node in failed), []).append(node)
    shown: list[Node] = []
    for nodes in kinds.values():
        shown += _folded(nodes, failed)
    shown.sort(key=lambda node: node.start_time_ns)
    return _first_of(shown, failed)


def _without_messages(siblings: list[Node]) -> list[Node]:
    """With one node in the place of the first of a web request's messages. It has failed where any
    of them has."""
    messages = [node for node in siblings if is_message(node)]
    if len(messages) < 2:
        return siblings
    name = kinds_of(messages)
    place = siblings.index(messages[0])
    messages.sort(key=lambda node: node.status != "failed")
    hidden = set(messages)
    others = [node for node in siblings if node not in hidden]
    return [*others[:place], fold_nodes(name, messages), *others[place:]]


def _folded(nodes: list[Node], failed: set[Node]) -> list[Node]:
    """Equal ones. What a fold would say of failures beneath its members, the first of them show."""
    if len(nodes) <= FOLD_ABOVE:
        return nodes
    hides_failures = nodes[0] in failed and nodes[0].status != "failed"
    apart = FOLD_ABOVE if hides_failures else 0
    return [*nodes[:apart], fold_nodes(_common_name(nodes), nodes[apart:])]


def _first_of(siblings: list[Node], failing_ones: set[Node]) -> list[Node]:
    """The first of many that are all different; what failed is shown wherever it stands."""
    if len(siblings) <= SIBLINGS_SHOWN:
        return siblings
    rest = siblings[SIBLINGS_SHOWN:]
    failed = [node for node in rest if _fails(node, failing_ones)][:SIBLINGS_SHOWN]
    kept = set(failed)
    hidden = [node for node in rest if node not in kept]
    return [*siblings[:SIBLINGS_SHOWN], *failed, *([fold_nodes(OTHERS, hidden)] if hidden else [])]


def _fails(node: Node, failing_ones: set[Node]) -> bool:
    return (node.fold.members[0] if node.fold else node) in failing_ones


def _kind(node: Node) -> tuple[str, str, bool, int]:
    body = len(node.children) if node.span is None else 0
    return _DIGITS.sub("*", node.name), node.status, node.iteration is not None, body


def _common_name(nodes: Iterable[Node]) -> str:
    names = {node.name or ROUNDS for node in nodes}
    return names.pop() if len(names) == 1 else _DIGITS.sub("*", names.pop())
