"""Many steps alike as one entry, so that 10,000 of them are one line: as `fold` does with spans."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flujo_otel.model import Step
from flujo_otel.query.beneath import Placed
from flujo_otel.query.fold import FOLD_ABOVE, OTHERS, SIBLINGS_SHOWN

_DIGITS = re.compile(r"\d+")


class Alike(NamedTuple):
    """Steps of one parent, in their order, and how many further ones are within them."""

    name: str
    depth: int
    steps: Sequence[Step]
    within_count: int


@dataclass(slots=True)
class _Node:
    placed: Placed
    fails: bool = False
    """It, or anything beneath it."""
    children: list["_Node"] = field(default_factory=list)


def fold_alike(found: Sequence[Placed]) -> list[Placed | Alike]:
    """`found`, parents before children, with those of equal status and of names that differ in
    their digits at most as one where there are many; what failed beneath one stays visible."""
    shown: list[Placed | Alike] = []
    stack = list(reversed(_folded(_tree(found))))
    while stack:
        each = stack.pop()
        if isinstance(each, Alike):
            shown.append(each)
        else:
            shown.append(each.placed)
            stack.extend(reversed(_folded(each.children)))
    return shown


def _tree(found: Sequence[Placed]) -> list[_Node]:
    roots: list[_Node] = []
    path: list[_Node] = []
    nodes = [_Node(each, bool(each.failed) or each.step.status == "failed") for each in found]
    parents: list[_Node | None] = []
    for node in nodes:
        del path[node.placed.depth :]
        parents.append(path[-1] if path else None)
        (path[-1].children if path else roots).append(node)
        path.append(node)
    for node, parent in zip(reversed(nodes), reversed(parents), strict=True):
        if parent is not None and node.fails:
            parent.fails = True
    return roots


def _folded(siblings: list[_Node]) -> list[_Node | Alike]:
    if len(siblings) <= FOLD_ABOVE:
        return list(siblings)
    kinds: dict[tuple[str, str, bool], list[_Node]] = {}
    places = {id(node): place for place, node in enumerate(siblings)}
    for node in siblings:
        step = node.placed.step
        kinds.setdefault((_DIGITS.sub("*", step.step_name), step.status, node.fails), []).append(
            node
        )
    shown: list[tuple[int, _Node | Alike]] = []
    for (name, status, fails), nodes in kinds.items():
        # Of those that are fine but for what is beneath them, the first show what it is.
        apart = FOLD_ABOVE if fails and status != "failed" else 0
        apart = len(nodes) if len(nodes) <= FOLD_ABOVE else apart
        shown += [(places[id(node)], node) for node in nodes[:apart]]
        if nodes[apart:]:
            shown.append((places[id(nodes[apart])], _alike(name, nodes[apart:])))
    shown.sort(key=lambda pair: pair[0])
    return _first_of([each for _, each in shown])


def _first_of(shown: list[_Node | Alike]) -> list[_Node | Alike]:
    """The first of many that are all different; what failed is shown wherever it stands."""
    rest = shown[SIBLINGS_SHOWN:]
    failed = [each for each in rest if _fails(each)][:SIBLINGS_SHOWN]
    kept = set(map(id, failed))
    hidden = [each for each in rest if isinstance(each, _Node) and id(each) not in kept]
    folds = [each for each in rest if isinstance(each, Alike) and id(each) not in kept]
    others = [_alike(OTHERS, hidden)] if hidden else []
    return [*shown[:SIBLINGS_SHOWN], *failed, *folds, *others]


def _fails(each: _Node | Alike) -> bool:
    return each.steps[0].status == "failed" if isinstance(each, Alike) else each.fails


def _alike(name: str, nodes: list[_Node]) -> Alike:
    steps = [node.placed.step for node in nodes]
    names = {step.step_name for step in steps}
    called = names.pop() if len(names) == 1 else name
    return Alike(called, nodes[0].placed.depth, steps, _count_within(nodes))


def _count_within(nodes: Iterable[_Node]) -> int:
    count, waiting = 0, list(nodes)
    while waiting:
        children = waiting.pop().children
        count += len(children)
        waiting += children
    return count
