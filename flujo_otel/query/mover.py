"""Which parts of two aligned runs account for the change in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flujo_otel.query.alignment import Pair, walk_pairs
from flujo_otel.query.comparison import Comparison, is_noticeable
from flujo_otel.query.tree import Node


class Mover(NamedTuple):
    """All nodes of one name in one place, of all rounds of a loop together: what they took by
    themselves, in nanoseconds, without what ran beneath them."""

    path: Sequence[str]
    """Names from the top down; empty: the run itself, between its steps."""
    base_count: int
    other_count: int
    base_ns: int
    other_ns: int

    @property
    def change_ns(self) -> int:
        return self.other_ns - self.base_ns


# By identity, as `Node` is.
@dataclass(slots=True, eq=False)
class _Part:
    name: str
    above: "_Part | None"
    base_count: int = 0
    other_count: int = 0
    base_ns: int = 0
    other_ns: int = 0


def movers(comparison: Comparison, most: int) -> list[Mover]:
    """Those that changed by more than noise, the most telling first, at most so many.

    A root that is in both runs and begins them is the run itself.
    """
    roots = comparison.roots
    run = _Part("", None)
    parts: dict[tuple[int, str], _Part] = {}
    of_pair: dict[Pair, _Part] = {}
    for pair, _, parent in walk_pairs(roots):
        above = run if parent is None else of_pair[parent]
        if _is_run(pair, roots) or (pair.node.iteration is not None and pair.node.span is None):
            part = above  # what a round takes between its steps is its loop's
        else:
            name = pair.node.name
            part = parts.setdefault((id(above), name), _Part(name, above))
            part.base_count += pair.base is not None
            part.other_count += pair.other is not None
        of_pair[pair] = part
        if comparison.differences[pair].duration_ns is not None:
            part.base_ns += _own_ns(pair.base)
            part.other_ns += _own_ns(pair.other)
    found = [each for each in (run, *parts.values()) if is_noticeable(each.base_ns, each.other_ns)]
    found.sort(key=lambda part: -abs(part.other_ns - part.base_ns))
    return [Mover(_path(part), *_sums(part)) for part in found[:most]]


def _is_run(pair: Pair, roots: Sequence[Pair]) -> bool:
    is_root = len(roots) == 1 and pair is roots[0]
    return is_root and all(
        node is not None and node.is_run_root for node in (pair.base, pair.other)
    )


def _own_ns(node: Node | None) -> int:
    """What `node` took while nothing ran beneath it."""
    if node is None or node.end_time_ns is None:
        return 0
    own_ns, since_ns = node.end_time_ns - node.start_time_ns, node.start_time_ns
    for child in sorted(node.children, key=lambda each: each.start_time_ns):
        start_ns = max(child.start_time_ns, since_ns)
        end_ns = min(child.end_time_ns or child.start_time_ns, node.end_time_ns)
        if end_ns > start_ns:
            own_ns -= end_ns - start_ns
            since_ns = end_ns
    return max(own_ns, 0)


def _path(part: _Part) -> Sequence[str]:
    names: list[str] = []
    at: _Part | None = part
    while at is not None and at.above is not None:
        names.append(at.name)
        at = at.above
    return names[::-1]


def _sums(part: _Part) -> tuple[int, int, int, int]:
    return part.base_count, part.other_count, part.base_ns, part.other_ns
