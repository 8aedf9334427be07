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
from flujo_otel.spanstore.backlog import CollectorStore, KeptRequest

_SPANS: Final = 2000
"""At a time: 0.1 s, for which whoever comes meanwhile waits."""
_BYTES: Final = 4 << 20
"""The same: spans of a megabyte each, as rows, take nine times that in memory."""


class Unpacked(NamedTuple):
    """So much is off the backlog, `rejected` of its spans because they cannot be rows."""

    requests: int = 0
    spans: int = 0
    body_bytes: int = 0
    rejected: int = 0


class Unpacking:
    """Of one store's backlog; for one thread. Whatever raises has taken nothing off the backlog."""

    def __init__(
        self, store: CollectorStore, count_losses: Callable[[Iterable[Loss]], None]
    ) -> None:
        """`count_losses`: called once what it is told of is off the backlog; raises nothing."""
        self._store = store
        self._count_losses = count_losses
        self._losses: list[Loss] = []
        """Of a step that is under way: what is tried again would be counted again."""

    def step(self) -> Unpacked:
        """Make rows of the oldest. Nothing where there is none left.

        Raises StoreUnavailable (try again) and other StoreErrors.
        """
        kept = self._store.oldest(_SPANS, _BYTES)
        if not kept:
            return Unpacked()
        self._losses = []
        batches = [batch for request in kept if (batch := self._batch(request)) is not None]
        return Unpacked(
            len(kept),
            sum(request.span_count for request in kept),
            sum(len(request.body) for request in kept),
            self._made_rows(batches, [request.request_id for request in kept]),
        )

    def pour(self, batches: Sequence[Batch], request_ids: Sequence[int]) -> int:
        """Make rows of `batches`, which are what the requests of these ids hold; how many of their
        spans were rejected. Raises as `step` does."""
        self._losses = []
        return self._made_rows(batches, request_ids)

    def _made_rows(self, batches: Sequence[Batch], request_ids: Sequence[int]) -> int:
        if batches:
            self._write(batches)
        self._store.forget(request_ids)
        if self._losses:
            self._count_losses(self._losses)
        return sum(loss.count for loss in self._losses)

    def _batch(self, request: KeptRequest) -> Batch | None:
        """None, and counted, where it is no request any more, which it was when it came."""
        try:
            return Received(request.body, Encoding(request.encoding)).decoded().batch
        except MemoryError:  # that passes
            raise
        except Exception as error:
            guard.report("unpacking a request", error)
            detail, now_ns = type(error).__name__, time.time_ns()
            lost = Loss("", "internal_error", detail, request.span_count, now_ns, now_ns)
            self._losses.append(lost)
            return None

    def _write(self, batches: Sequence[Batch]) -> None:
        batch = merged(batches)
        try:
            reasons = reasons_of(self._store.write(batch).rejected)
        except (StoreError, MemoryError):
            raise
        except Exception as error:
            if len(batches) > 1:  # a fault of ours, met with nobody knows whose spans
                for each in batches:
                    self._write([each])
                return
            guard.report("writing spans", error)
            self._losses += faults_of(batch, error)
        else:
            self._losses += losses_of(batch, reasons)
