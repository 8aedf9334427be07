"""Which parts a collector has, and how they hang together.

    clients > Service > Reception > GroupCommit > the store > Forwarders > backends
                              '---> Unstored (metrics, logs) > PassThrough > backends

Imported by whoever starts one: it needs what the extra `collector` installs.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from flujo_otel.collector.access import Access
from flujo_otel.collector.commit import PATIENCE_SECONDS, GroupCommit
from flujo_otel.collector.otlp_http import Health
from flujo_otel.collector.reception import Reception
from flujo_otel.collector.service import Service
from flujo_otel.collector.unstored import Unstored
from flujo_otel.errors import StoreUnavailable
from flujo_otel.forward.destination import Destination
from flujo_otel.forward.forwarders import Forwarders
from flujo_otel.forward.passing import PassThrough
from flujo_otel.quiet import suppress_in_this_thread
from flujo_otel.redaction import Options
from flujo_otel.server.report import Counts
from flujo_otel.settings import Settings
from flujo_otel.spanstore.backlog import CollectorStore
from flujo_otel.spanstore.factory import open_destinations
from flujo_otel.wire.transport import Signal

_GRACE: Final = 0.9
"""Of the time that a stop has: what cannot be answered in it is cut off in the rest."""


class Wiring:
    """The receiving half when made; `forward` adds the sending one; `stop` ends all there is."""

    def __init__(
        self,
        settings: Settings,
        access: Access,
        redaction: Options,
        open_store: Callable[[], CollectorStore],
        *,
        health: Health,
        on_end: Callable[[], None],
    ) -> None:
        """`on_end`: see `Service`."""
        self.commit = GroupCommit(
            open_store, settings.queue_bytes, patience_seconds=PATIENCE_SECONDS
        )
        self.unstored = Unstored(self.commit.count_losses)
        redactor = replace(redaction, enabled=True).redactor() if redaction.received else None
        limit_bytes = settings.max_request_bytes
        self.reception = Reception(self.commit, self.unstored, limit_bytes, redactor)
        self.service = Service(self.reception, access, health, on_end=on_end)
        self.forwarders: Forwarders | None = None
        self._passing: PassThrough | None = None
        self._settings = settings
        self._redacts = redactor is not None

    def join(self, chosen: Iterable[Destination]) -> None:
        """Enter the destinations before the first request: what comes in from then on is due to
        them, whenever it started. A store that is locked just now is asked again by the forwarders.
        """
        store = open_destinations(settings=self._settings)
        try:
            with suppress(StoreUnavailable):
                for each in chosen:
                    store.join(each.name, each.shown, time.time_ns())
        finally:
            store.close()

    def forward(self, chosen: list[Destination]) -> None:
        """Send on, from now on."""
        self.forwarders = Forwarders(
            chosen,
            partial(open_destinations, settings=self._settings),
            prepare=suppress_in_this_thread,
        )
        self._passing = PassThrough(chosen, prepare=suppress_in_this_thread)
        if not self._redacts:  # they are not looked into
            self.unstored.pass_on = self._passing.offer
        self.forwarders.start()

    def counts(self) -> Counts:
        """What has come in so far. Cheap; from any thread."""
        spans, totals = self.commit.counts, self.unstored.totals
        return Counts(
            self.reception.requests,
            spans.received,
            spans.stored,
            spans.rejected,
            self.reception.overloaded,
            spans.to_unpack,
            totals[Signal.METRICS],
            totals[Signal.LOGS],
        )

    def stop(self, timeout_seconds: float) -> bool:
        """Take no more, answer what is in, write everything down. True: all of it is written."""
        deadline = time.monotonic() + timeout_seconds
        # All that is in is written, or refused, while the connections are still there to say so.
        self.service.end(_GRACE * timeout_seconds)
        if self._passing is not None:
            # Before the commit ends: what nobody took is for the ledger.
            self._passing.stop(timeout_seconds / 4)
        self.unstored.end()
        written = self.commit.close(timeout_seconds / 2)
        self.service.give_up()
        self.service.wait(max(deadline - time.monotonic(), 0.1))
        if self.forwarders is not None:
            # What they do not get rid of in time is in the store, and due at the next start.
            self.forwarders.stop(max(deadline - time.monotonic(), 0.1))
        # Clients that did not get their answer send again: that costs nothing that was taken.
        return written
