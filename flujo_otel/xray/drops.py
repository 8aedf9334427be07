"""Traces that were not recorded, counted until they are in a storage's ledger."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from os import getpid
from time import monotonic, time_ns
from typing import Final
from weakref import WeakSet

from flujo_otel import process
from flujo_otel.guard import guarded
from flujo_otel.host import host
from flujo_otel.model import Loss

SAMPLED_OUT: Final = "sampled_out"
RATE_LIMITED: Final = "rate_limited"
NOT_SUBMITTED: Final = "not_submitted"
"""Reasons in the ledger (docs/ledger.md)."""

_REPORT_SECONDS: Final = 1.0


class Drops:
    """Reported at most once a second, on `flush`, and at the end of the process: a drop must not
    cost a write each.

    Takes no lock: a signal's handler or a finalizer may interrupt any line here and come by, and a
    report may wait for a database. A forked child has none of its parent's.
    """

    def __init__(self, report: Callable[[Sequence[Loss]], None]) -> None:
        self._report = report
        self._pid = getpid()
        self._noted: deque[Loss] = deque()
        self._reported_seconds = monotonic()
        _see_to_the_end(self)

    def add(self, reason: str, detail: str) -> None:
        """One more. Never raises."""
        now_ns = time_ns()
        self._own().append(Loss(process.current().command, reason, detail, 1, now_ns, now_ns))
        if monotonic() - self._reported_seconds >= _REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Report what is counted. Never raises; what could not be reported stays."""
        self._reported_seconds = monotonic()
        losses = _added_up(self._own())
        with guarded("counting traces that were not recorded"):
            try:
                if losses:
                    self._report(losses)
            except BaseException:
                self._own().extend(losses)
                raise

    def _own(self) -> deque[Loss]:
        """What this process noted."""
        if self._pid != getpid():
            self._pid, self._noted = getpid(), deque()
        return self._noted


_all: Final[WeakSet[Drops]] = WeakSet()
_has_end = False


def _see_to_the_end(drops: Drops) -> None:
    """A finalizer is no use then: it runs before or after the last flush of what it reports to, as
    it happens, and in a child of multiprocessing's not at all."""
    global _has_end
    _all.add(drops)
    if not _has_end:
        _has_end = True
        host().at_exit(_flush_all)


def _flush_all() -> None:
    for drops in list(_all):
        drops.flush()


def _added_up(noted: deque[Loss]) -> list[Loss]:
    """All of it, each taken out once, whoever else is at it."""
    found: dict[tuple[str, str], Loss] = {}
    with suppress(IndexError):
        while True:
            each = noted.popleft()
            known = found.get((each.reason, each.detail))
            found[each.reason, each.detail] = each if known is None else _sum(known, each)
    return list(found.values())


def _sum(one: Loss, other: Loss) -> Loss:
    return replace(
        one,
        count=one.count + other.count,
        first_time_ns=min(one.first_time_ns, other.first_time_ns),
        last_time_ns=max(one.last_time_ns, other.last_time_ns),
    )
