"""Sending what is stored once, beside all cursors."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.backoff import Backoff
from flujo_otel.forward.destination import Destination
from flujo_otel.forward.dispatch import MOST_BYTES, MOST_SPANS
from flujo_otel.forward.sender import Sender, sender_to
from flujo_otel.forward.shipment import Shipment
from flujo_otel.spanstore.destinations import DestinationStore, Selection

PATIENCE_SECONDS: Final = 30.0
"""How long a backend that is away is waited for."""


class Transferred(NamedTuple):
    """What it came to. `error` is why it stopped before the end, in the backend's words."""

    sent: int = 0
    rejected: int = 0
    words: str = ""
    """Why the last were rejected."""
    error: str = ""
    trouble: str = ""
    """Why it waits just now before it tries again, in the backend's words."""

    @property
    def settled(self) -> int:
        return self.sent + self.rejected


def transfer(
    destination: Destination,
    store: DestinationStore,
    which: Selection,
    report: Callable[[Transferred], None],
) -> Transferred:
    """Send the spans of `which` that have ended; `report` is told after each request, and before
    each time that it waits.

    Raises MissingExtra, SettingsError, and what the store raises.
    """
    sender = sender_to(destination)
    try:
        return _Transfer(destination, store, sender, report).run(which)
    finally:
        sender.close()


class _Transfer:
    def __init__(
        self,
        destination: Destination,
        store: DestinationStore,
        sender: Sender,
        report: Callable[[Transferred], None],
    ) -> None:
        self._destination = destination
        self._store = store
        self._sender = sender
        self._report = report
        self._backoff = Backoff()
        self._done = Transferred()
        self._progressed = time.monotonic()

    def run(self, which: Selection) -> Transferred:
        position, is_last = 0, False
        while not is_last and not self._done.error:
            page = self._store.selected(which, position, MOST_SPANS, MOST_BYTES)
            self._ship(Shipment(page, self._sender))
            position, is_last = page.position, page.is_last
        return self._done

    def _ship(self, shipment: Shipment) -> None:
        while not shipment.is_done and not self._done.error:
            body = shipment.load(self._store)
            answer, progress = shipment.send(body, self._destination.timeout_seconds)
            if progress is not None:
                sent, rejected = self._done.sent + progress.sent, progress.rejected
                words = progress.words or self._done.words
                self._done = Transferred(sent, self._done.rejected + rejected, words)
                self._progressed = time.monotonic()
                self._backoff.success()
                self._report(self._done)
            elif answer.verdict is not Verdict.TOO_LARGE:
                self._wait(answer)

    def _wait(self, answer: Answer) -> None:
        delay = max(answer.after_seconds or 0.0, self._backoff.failure())
        waited = time.monotonic() - self._progressed
        if answer.verdict is Verdict.PAUSE or waited + delay > PATIENCE_SECONDS:
            self._done = self._done._replace(error=answer.words)
        else:
            self._report(self._done._replace(trouble=answer.words))
            time.sleep(delay)
