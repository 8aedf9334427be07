"""When in its run a node ran, and which nodes the run's time went to."""

from collections.abc import Iterable
from typing import NamedTuple

from flujo_otel.query.tree import Node, walk

_FAR = 10
"""Spans this many times their run's own length away from it came from a wrong clock."""


class Window(NamedTuple):
    """A stretch of time, Unix nanoseconds. What is still running runs until `end_ns`."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return max(self.end_ns - self.start_ns, 0)

    def fraction(self, time_ns: int) -> float:
        """Where `time_ns` lies, 0 to 1 within the window, beyond them outside."""
        return (time_ns - self.start_ns) / self.length_ns if self.length_ns else 0.0


def window_of(roots: Iterable[Node], run: Window) -> Window:
    """From the first start to the last end, `run` included.

    Where a wrong clock would squeeze the run itself out of sight, `run` alone.
    """
    start_ns, end_ns = run.start_ns, run.end_ns
    for node, _ in walk(roots):
        start_ns = min(start_ns, node.start_time_ns)
        end_ns = max(end_ns, node.start_time_ns, node.end_time_ns or 0)
    whole = Window(start_ns, end_ns)
    return run if 0 < run.length_ns * _FAR < whole.length_ns else whole


def slowest_path(roots: list[Node], now_ns: int) -> set[Node]:
    """From the top down, always the child that took longest."""
    path: set[Node] = set()
    level = roots
    while level:
        node = max(level, key=lambda n: (n.end_time_ns or now_ns) - n.start_time_ns)
        path.add(node)
        level = node.children
    return path
