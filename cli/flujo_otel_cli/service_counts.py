"""What became of each service's spans: the ledger and the counts of what came in, together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from flujo_otel.model import Loss
from flujo_otel.spanstore.diagnosis import Diagnosis

_DROPPED: Final = frozenset({"queue_full", "terminated", "refused", "internal_error", "shut_down"})
"""Reasons of spans that did not come as far as the store."""


@dataclass(slots=True)
class ServiceCounts:
    """Spans, but for `rejected` and `dropped`: spans by reason."""

    service: str
    stored: int = 0
    """Each span once, however often it was sent."""
    unchanged: int = 0
    """Sent again, with nothing new in them."""
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    clock_skewed: int = 0
    id_reused: int = 0
    orphaned: int = 0
    """Of the newest ones alone."""

    @property
    def received(self) -> int:
        """What came as far as the store."""
        return self.stored + self.unchanged + self.rejected.total()


def services_of(diagnosis: Diagnosis, losses: Sequence[Loss]) -> list[ServiceCounts]:
    """Most received first."""
    known: dict[str, ServiceCounts] = {}
    for came in diagnosis.services:
        stored = came.received - came.unchanged
        known[came.service] = ServiceCounts(came.service, stored, came.unchanged)
    for loss in losses:
        _add(known.setdefault(loss.service, ServiceCounts(loss.service)), loss)
    for orphans in diagnosis.orphans:
        known.setdefault(orphans.service, ServiceCounts(orphans.service)).orphaned = orphans.spans
    return sorted(known.values(), key=lambda service: -service.received)


def _add(service: ServiceCounts, loss: Loss) -> None:
    if loss.reason == "rejected":
        service.rejected[loss.detail] += loss.count
    elif loss.reason in _DROPPED:
        service.dropped[loss.reason] += loss.count
    elif loss.reason == "truncated":
        service.truncated += loss.count
    elif loss.reason == "clock_skewed":
        service.clock_skewed += loss.count
    elif loss.reason == "id_reused":
        service.id_reused += loss.count
