"""Two trees side by side: which node of one is which of the other.

By name and position among the siblings of that name; a loop's rounds by their number, a parallel
step's branches by theirs, a condition's steps by branch and name. Every node of either tree is in
exactly one pair, and nothing recurses.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from flujo_otel.query.branches import branch_node, branch_of, is_parallel
from flujo_otel.query.grouping import settle
from flujo_otel.query.rounds import round_node
from flujo_otel.query.tree import Node


class _Key(NamedTuple):
    """`name` None: whatever it is called, it is that round, or that branch."""

    iteration: int | None
    branch: str | None
    name: str | None
    place: int = 0
    """Among the siblings that have all of that in common."""


# By identity and without a repr, as `Node` is.
@dataclass(slots=True, eq=False, repr=False)
class Pair:
    """A node of each tree, or of one alone: at least one is there."""

    base: Node | None
    other: Node | None
    children: list["Pair"] = field(default_factory=list)

    @property
    def node(self) -> Node:
        """What it is called by: the other tree's, where that has it."""
        node = self.other or self.base
        assert node is not None
        return node


class Placed(NamedTuple):
    """A pair in its place; `parent` None: at the top."""

    pair: Pair
    depth: int
    parent: Pair | None


def align(base: list[Node], other: list[Node]) -> list[Pair]:
    """The roots in order of `other`, what `base` alone has where it stood there.

    Rounds and branches are grouped already (`group_rounds`, `group_branches`). Where a round or a
    branch is one step in one tree and something else in the other, it gets a node of its own in
    both, which alters the nodes.
    """
    roots = _paired(_by_key(base, None), _by_key(other, None))
    stack = list(roots)
    while stack:
        pair = stack.pop()
        pair.children = _paired(_children(pair.base), _children(pair.other))
        stack += pair.children
    return roots


def walk_pairs(roots: Iterable[Pair]) -> Iterator[Placed]:
    """Every pair, parents before children, in order."""
    stack = [Placed(pair, 0, None) for pair in reversed(list(roots))]
    while stack:
        placed = stack.pop()
        yield placed
        pair, depth, _ = placed
        stack.extend(Placed(child, depth + 1, pair) for child in reversed(pair.children))


_Siblings = Mapping[_Key, Node]


def _children(parent: Node | None) -> _Siblings:
    return _by_key(parent.children, parent) if parent is not None else {}


def _paired(base: _Siblings, other: _Siblings) -> list[Pair]:
    places = {key: place for place, key in enumerate(base)}
    gone = deque(key for key in base if key not in other)
    found: list[Pair] = []
    for key, until in zip(other, _next_in_base(other, places), strict=True):
        # What was there in its place goes before: of a condition's branches, the one not taken.
        while gone and places[gone[0]] < until:
            found.append(Pair(base[gone.popleft()], None))
        found.append(_pair(key, base[key], other[key]) if key in base else Pair(None, other[key]))
    return [*found, *(Pair(base[key], None) for key in gone)]


def _next_in_base(other: _Siblings, places: Mapping[_Key, int]) -> list[int]:
    """For each of `other` the place in `base` of the next that is there too, itself included."""
    found, until = [], len(places)
    for key in reversed(list(other)):
        until = places.get(key, until)
        found.append(until)
    return found[::-1]


def _pair(key: _Key, base: Node, other: Node) -> Pair:
    is_one_step = base.span is not None and other.span is not None and base.name == other.name
    is_group = base.span is None and other.span is None
    if key.name is not None or is_one_step or is_group:
        return Pair(base, other)
    return Pair(_as_group(key, base), _as_group(key, other))


def _as_group(key: _Key, node: Node) -> Node:
    """A round or branch of one step with that beneath a node of its own."""
    if node.span is None:
        return node
    node.iteration = None
    group = branch_node(str(key.branch)) if key.iteration is None else round_node(key.iteration)
    group.children = [node]
    return settle(group)


def _by_key(siblings: list[Node], parent: Node | None) -> dict[_Key, Node]:
    counts: dict[_Key, int] = {}
    found: dict[_Key, Node] = {}
    in_parallel = parent is not None and is_parallel(parent)
    for node in siblings:
        key = _key(node, in_parallel=in_parallel)
        counts[key] = place = counts.get(key, -1) + 1
        found[key._replace(place=place)] = node
    return found


def _key(node: Node, *, in_parallel: bool) -> _Key:
    if node.iteration is not None:
        return _Key(node.iteration, None, None)
    branch = branch_of(node)
    is_whole = in_parallel and branch is not None
    return _Key(None, branch, None if is_whole else node.name)
