"""How much of one value is read: a value can contain itself, or unfold to more than any memory."""

from gc import get_referents
from itertools import chain
from typing import Any, Final

MAX_DEPTH: Final = 50
"""Deeper values become their text."""
MOST_NODES: Final = 500_000
"""Of one value: lists that hold one another can unfold to more than any memory."""
FEW_NODES: Final = 20_000
"""Of a value that contains itself, or unfolds: no run goes on from it, and it is read for people
alone. A tree whose 5000 nodes know their parent took 4 s of a run with MOST_NODES."""
DATA: Final = (dict, list, tuple)
"""What json's own encoder opens."""
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})
_MOST_LEVELS: Final = 1000
"""The encoder goes no deeper."""
_MOST_COPIES: Final = 4
"""How often a large value may hold its parts, on average: rows may share some."""


class Bound:
    """One value being read, part by part: what of it is open, and how many values more may be."""

    __slots__ = ("_left", "_most", "_open")

    def __init__(self, most_nodes: int = MOST_NODES) -> None:
        self._most = self._left = most_nodes
        self._open: set[int] = set()

    def open(self, value: Any, size: int) -> str:
        """Begin to read `value`, which holds `size` others; `close` it afterwards. Returns "", or
        where it must not be read the words for its place; then there is nothing to close."""
        key = id(value)
        if key in self._open:
            self._most = min(self._most, FEW_NODES)
            self._left = min(self._left, FEW_NODES)
            return f"<{type(value).__name__} that contains itself>"
        if len(self._open) >= MAX_DEPTH:
            return f"<{type(value).__name__} below depth {MAX_DEPTH}>"
        if size > self._left:
            return f"<{type(value).__name__}: more than {self._most} values>"
        self._left -= size
        self._open.add(key)
        return ""

    def close(self, value: Any) -> None:
        """End the reading of `value`, which was opened."""
        self._open.discard(id(value))


def unfolds(nodes: int, held: int, distinct: int) -> bool:
    """Whether a value that is written as `nodes` values is far smaller in memory: its `distinct`
    parts are held in `held` places, and written in each."""
    return nodes > MOST_NODES and held > _MOST_COPIES * distinct


def unfolded(value: Any) -> int:
    """How many values json's own encoder writes for `value`, where an object counts for one. Raises
    ValueError where its parts unfold to more than MOST_NODES: nothing stops the encoder then."""
    if not isinstance(value, DATA):
        return 1
    nodes, level = 1, [value]
    levels: list[list[Any]] = []
    while len(levels) < _MOST_LEVELS:
        levels.append(level)
        nodes += sum(map(len, level))
        if nodes > MOST_NODES and unfolds(nodes, sum(map(len, levels)), _distinct(levels)):
            break
        # In C, and level by level: a third of what writing them takes.
        found = get_referents(*level)
        level = [each for each in found if type(each) not in _LEAVES and isinstance(each, DATA)]
        if not level:
            return nodes
    raise ValueError(f"{type(value).__name__} unfolds to more than {MOST_NODES} values")


def _distinct(levels: list[list[Any]]) -> int:
    return len(set(map(id, chain.from_iterable(levels))))
