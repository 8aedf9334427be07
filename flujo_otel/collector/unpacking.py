"""From requests that were kept as they came to rows."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from flujo_otel import guard
from flujo_otel.collector.answers import Encoding
from flujo_otel.collector.batches import faults_of, losses_of, merged, reasons_of
from flujo_otel.collector.received import Received
from flujo_otel.errors import StoreError
from flujo_otel.model import Batch, Loss
from flujo_otel.spanstore.api import BacklogSize
from flujo_otel.spanstore.backlog import CollectorStore, KeptRequest

_SPANS: Final = 2000
"""At a time: 0.1 s, for which whoever comes meanwhile waits."""


class Unpacked(NamedTuple):
    """So much is off the backlog, `rejected` of its spans because they cannot be rows."""

    spans: int = 0
    body_bytes: int = 0
    rejected: int = 0


class Unpacking:
    """Of one store's backlog; for one thread. Whatever raises has taken nothing off the backlog."""

    def __init__(
        self, store: CollectorStore, count_losses: Callable[[Iterable[Loss]], None]
    ) -> None:
        self._store = store
        self._count_losses = count_losses

    def begin(self) -> BacklogSize:
        """Take over what processes that are gone have left; how much there is now. Raises
        StoreErrors."""
        return self._store.take_over()

    def step(self) -> Unpacked:
        """Make rows of the oldest. Nothing where there is none left.

        Raises StoreUnavailable (try again) and other StoreErrors.
        """
        kept = self._store.oldest(_SPANS)
        if not kept:
            return Unpacked()
        batches = [batch for request in kept if (batch := self._batch(request)) is not None]
        rejected = self._write(batches) if batches else 0
        self._store.forget(kept[-1])
        return Unpacked(
            sum(request.span_count for request in kept),
            sum(len(request.body) for request in kept),
            rejected,
        )

    def _batch(self, request: KeptRequest) -> Batch | None:
        """None, and counted, where it is no request any more, which it was when it came."""
        try:
            return Received(request.body, Encoding(request.encoding)).decoded().batch
        except Exception as error:
            guard.report("unpacking a request", error)
            detail, now_ns = type(error).__name__, time.time_ns()
            lost = Loss("", "internal_error", detail, request.span_count, now_ns, now_ns)
            self._count_losses([lost])
            return None

    def _write(self, batches: Sequence[Batch]) -> int:
        batch = merged(batches)
        try:
            reasons = reasons_of(self._store.write(batch).rejected)
        except StoreError:
            raise
        except Exception as error:
            if len(batches) > 1:  # a fault of ours, met with nobody knows whose spans
                return sum(self._write([each]) for each in batches)
            guard.report("writing spans", error)
            self._count_losses(faults_of(batch, error))
            return len(batch.records)
        self._count_losses(losses_of(batch, reasons))
        return len(reasons)
