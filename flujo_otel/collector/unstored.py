"""Metrics and logs: there is no table for them, but generic SDK set-ups send them all the same.

They are answered as taken, so that no program logs an error every minute for a signal that nobody
asked to see, and counted per service in the ledger: `metrics_not_stored` (data points) and
`logs_not_stored` (log records) say what came and was not kept.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import Lock
from typing import Final

from flujo_otel.collector.answers import Encoding, stopping
from flujo_otel.collector.census import census
from flujo_otel.model import Loss
from flujo_otel.wire.transport import Signal

_REASONS: Final = {Signal.METRICS: "metrics_not_stored", Signal.LOGS: "logs_not_stored"}
"""As the ledger names them."""

PassOn = Callable[[Signal, bytes, Callable[[], None], str], None]
"""Takes a body and its content type to whoever may keep it; calls back where nobody does."""


class Unstored:
    """Counts what is not stored, and not passed on either. `count_losses` adds to the ledger."""

    def __init__(self, count_losses: Callable[[Iterable[Loss]], None]) -> None:
        self._count_losses = count_losses
        self._counting = Lock()
        self._is_ended = False
        self.pass_on: PassOn | None = None
        self.totals: Counter[Signal] = Counter()

    def take(self, signal: Signal, body: bytes, encoding: Encoding) -> None:
        """Raises MalformedRequest where the body is no such request, Refusal where it has too much
        in it, or comes after the end."""
        counts = census(signal, body, encoding)
        if not counts:
            return
        not_taken = partial(self._count, signal, counts)
        if self.pass_on is None:
            not_taken()
        else:
            self.pass_on(signal, body, not_taken, encoding.content_type.decode())

    def end(self) -> None:
        """Take no more: nobody writes the ledger any longer, and what is acknowledged is in it."""
        with self._counting:
            self._is_ended = True

    def _count(self, signal: Signal, counts: Mapping[str, int]) -> None:
        now_ns = time.time_ns()
        with self._counting:  # many threads pass on
            if self._is_ended:
                raise stopping()
            self.totals[signal] += sum(counts.values())
            self._count_losses(
                Loss(service, _REASONS[signal], "", count, now_ns, now_ns)
                for service, count in counts.items()
            )
