"""Traces that were not recorded, counted until they are in a storage's ledger."""

from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic, time_ns
from typing import Final

from flujo_otel import process
from flujo_otel.guard import guarded
from flujo_otel.model import Loss

SAMPLED_OUT: Final = "sampled_out"
RATE_LIMITED: Final = "rate_limited"
NOT_SUBMITTED: Final = "not_submitted"
"""Reasons in the ledger (docs/ledger.md)."""

_REPORT_SECONDS: Final = 1.0


class Drops:
    """Reported at most once a second, and on `flush`: a drop must not cost a write each."""

    def __init__(self, report: Callable[[Sequence[Loss]], None]) -> None:
        self._report = report
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._lock = Lock()
        self._reported_seconds = monotonic()

    def add(self, reason: str, detail: str) -> None:
        """One more. Never raises."""
        with self._lock:
            now_ns = time_ns()
            entry = self._counts.setdefault((reason, detail), [0, now_ns, now_ns])
            entry[0] += 1
            entry[2] = now_ns
            is_due = monotonic() - self._reported_seconds >= _REPORT_SECONDS
        if is_due:
            self.flush()

    def flush(self) -> None:
        """Report what is counted. Never raises; what could not be reported stays."""
        with guarded("counting traces that were not recorded"), self._lock:
            self._reported_seconds = monotonic()
            if self._counts:
                service = process.current().command
                self._report(
                    [
                        Loss(service, reason, detail, count, first_ns, last_ns)
                        for (reason, detail), (count, first_ns, last_ns) in self._counts.items()
                    ]
                )
                self._counts.clear()
