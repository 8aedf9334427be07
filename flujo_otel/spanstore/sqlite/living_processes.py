"""Processes that live, and may have spans open in a run that is over and whose own is gone."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from flujo_otel.model import Process, Run

_SEEN_SINCE: Final = """
    SELECT opened_at_ns, seen_at_ns, host, pid, process_start, command FROM writers
    WHERE seen_at_ns >= ? AND command NOT LIKE 'lens %'
"""
"""No `lens` has spans of its own, and of those that are sent to `lens serve` none is open."""
_OPENING_NS: Final = 60 * 10**9
"""So long after its first span a busy program may open the file."""


class LivingProcesses:
    """As one file knows them, which `rows` asks. Asked once for all runs, or nearly: of 10,000
    processes and as many runs, each with each, `lens ps` took 36 s."""

    def __init__(
        self,
        rows: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]],
        is_alive: Callable[[Process], bool],
    ) -> None:
        self._rows = rows
        self._is_alive = is_alive
        self._made_ns = time.time_ns()
        self._since_ns: int | None = None
        self._living: list[tuple[int, int]] = []
        """When each opened the file, and when it was last seen."""

    def settled(self, run: Run) -> Run:
        """`run`, which is left open only where none of these may have its open spans."""
        if run.is_left_open and self._may_be_in(run):
            return run._replace(is_left_open=False)
        return run

    def _may_be_in(self, run: Run) -> bool:
        """Whoever has a span in it has written since it began. It may have been silent from then
        on: it says that it lives each second only, and never while it is stopped."""
        if self._since_ns is None or run.start_time_ns < self._since_ns:
            self._look(run.start_time_ns)
        until_ns = run.last_time_ns + _OPENING_NS
        return any(
            opened_ns <= until_ns and seen_ns >= run.start_time_ns
            for opened_ns, seen_ns in self._living
        )

    def _look(self, since_ns: int) -> None:
        """Twice as far back as is asked for, since older runs may follow, one by one."""
        self._since_ns = min(since_ns, 2 * since_ns - self._made_ns)
        found = self._rows(_SEEN_SINCE, (self._since_ns,))
        self._living = [
            (opened_ns, seen_ns)
            for opened_ns, seen_ns, *process in found
            if self._is_alive(Process(*process))
        ]
