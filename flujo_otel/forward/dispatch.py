"""One destination's cursor at work: lease, read, send, advance. One thread at a time uses it."""

import secrets
import time
from contextlib import suppress
from typing import Final, NamedTuple

from flujo_otel.errors import StoreError, StoreUnavailable
from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.backoff import PAUSE_SECONDS, Backoff
from flujo_otel.forward.destination import Destination
from flujo_otel.forward.sender import sender_to
from flujo_otel.forward.shipment import Shipment
from flujo_otel.guard import guarded
from flujo_otel.spanstore.destinations import CursorState, DestinationStore, DuePage, Progress

MOST_SPANS: Final = 1000
MOST_BYTES: Final = 2 << 20
"""Below the 4 MiB that gRPC servers take unless told otherwise."""
_MORE_BYTES: Final = MOST_BYTES // 64
"""After a batch that was too large, each that is taken lets the next be so much larger: where the
limit is 1 MiB, one in 16 is too large again, and a limit that was raised is found out."""
LEASE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.25
_MARGIN_SECONDS: Final = 5.0
_LOCKED_SECONDS: Final = 0.05


class ForwarderStatus(NamedTuple):
    """What this process has done for a destination so far."""

    state: CursorState = CursorState.OK
    sent: int = 0
    rejected: int = 0
    error: str = ""


class Dispatch:
    """Sends page after page. A destination that is new begins with the spans that start since this
    was made."""

    def __init__(self, destination: Destination, store: DestinationStore) -> None:
        self.destination = destination
        self.status = ForwarderStatus()
        self.store = store
        self._since_ns = time.time_ns()
        self._sender = sender_to(destination)
        self._token = secrets.token_hex(8)
        longest_send = destination.timeout_seconds + _MARGIN_SECONDS
        self._lease_seconds = max(LEASE_SECONDS, 2 * longest_send)
        self._leased_until_monotonic_seconds = 0.0
        self._position: int | None = None
        """The cursor's, while we have the lease."""
        self._seen = -1
        """The newest change when nothing was due any more: until there is a newer one, nothing is.
        -1: not known."""
        self._most_bytes = MOST_BYTES
        self._backoff = Backoff()
        self._is_faulty = False
        """Whether the cursor says that a fault of ours keeps us from sending."""
        self._not_before_monotonic_seconds = 0.0

    def work(self, deadline_monotonic_seconds: float | None = None) -> float:
        """Send one page; seconds until there may be more to do, 0 where there is.

        `deadline_monotonic_seconds`: no request lasts longer. Raises StoreUnavailable,
        ForeignDatabase.
        """
        if self.is_waiting:
            return self._wait()
        page = self._due()
        if page is None:
            return POLL_SECONDS
        if not self._ship(page, deadline_monotonic_seconds):
            return POLL_SECONDS
        if page.is_last:
            self._seen = page.position
            return POLL_SECONDS
        return 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether the backend is left alone for a while."""
        return time.monotonic() < self._not_before_monotonic_seconds

    def note_fault(self, words: str) -> None:
        """Say on the cursor what keeps us from sending, where the database takes that; the next
        `work` that goes well says that it is over."""
        self._seen = -1
        self._is_faulty = True
        self.status = self.status._replace(state=CursorState.RETRYING, error=words)
        with guarded("noting a fault of forwarding"), suppress(StoreError):
            self.store.fail(self.destination.name, self._token, CursorState.RETRYING, words)

    def finish(self) -> None:
        """Give the lease back and let go of everything. Raises as `work`."""
        self._sender.close()
        try:
            if self._leased_until_monotonic_seconds:
                self._leased_until_monotonic_seconds = 0.0
                self.store.release(self.destination.name, self._token)
        finally:
            self.store.close()

    def _wait(self) -> float:
        """The lease is kept meanwhile: another process would fare no better."""
        if self._leased_until_monotonic_seconds - time.monotonic() < self._lease_seconds / 2:
            self._lease()
        return min(self._not_before_monotonic_seconds - time.monotonic(), self._lease_seconds / 4)

    def _due(self) -> DuePage | None:
        """The next page; None where nothing is due, or another process sends."""
        store = self.store
        is_new = store.join(self.destination.name, self.destination.shown, self._since_ns)
        if not is_new and store.newest() == self._seen:
            return None
        position = self._position = self._lease()
        if position is None:
            return None
        page = store.page(position, self.destination.where, MOST_SPANS, self._most_bytes)
        if not page.spans and (page.position > position or self._is_faulty):
            self._note(Progress(page.position))
        return page

    def _ship(self, page: DuePage, deadline_monotonic_seconds: float | None) -> bool:
        """Whether all of it is settled."""
        shipment = Shipment(page, self._sender)
        while not shipment.is_done:
            timeout_seconds = self.destination.timeout_seconds
            if deadline_monotonic_seconds is not None:
                left_seconds = deadline_monotonic_seconds - time.monotonic()
                timeout_seconds = min(timeout_seconds, left_seconds)
            if timeout_seconds <= 0:
                return False
            if not self._has_lease(timeout_seconds + _MARGIN_SECONDS):
                return False
            body = shipment.load(self.store)
            answer, progress = shipment.send(body, timeout_seconds)
            if progress is not None:
                if not self._note(progress, deadline_monotonic_seconds):
                    return False
            elif answer.verdict is Verdict.TOO_LARGE:
                self._most_bytes = min(max(len(body) // 2, 1), MOST_BYTES)
            else:
                self._postpone(answer)
                return False
        return True

    def _note(self, progress: Progress, deadline_monotonic_seconds: float | None = None) -> bool:
        """False where the lease was lost meanwhile: what was sent is sent again by its holder."""
        if deadline_monotonic_seconds is None:
            deadline_monotonic_seconds = self._leased_until_monotonic_seconds
        if not self._advance(progress, deadline_monotonic_seconds):
            self._leased_until_monotonic_seconds = 0.0
            return False
        self._position = progress.position
        self._is_faulty = False
        self._backoff.success()
        if progress.sent:
            self._most_bytes = min(self._most_bytes + _MORE_BYTES, MOST_BYTES)
        sent, rejected = self.status.sent + progress.sent, self.status.rejected + progress.rejected
        error = progress.words or self.status.error
        self.status = ForwarderStatus(CursorState.OK, sent, rejected, error)
        return True

    def _advance(self, progress: Progress, deadline_monotonic_seconds: float) -> bool:
        """A database that is locked just now is tried again until the deadline: what is sent and
        not noted is sent twice."""
        while True:
            try:
                return self.store.advance(self.destination.name, self._token, progress)
            except StoreUnavailable:
                if time.monotonic() > deadline_monotonic_seconds:
                    raise
                time.sleep(_LOCKED_SECONDS)

    def _postpone(self, answer: Answer) -> None:
        is_pause = answer.verdict is Verdict.PAUSE
        state = CursorState.PAUSED if is_pause else CursorState.RETRYING
        delay_seconds = PAUSE_SECONDS if is_pause else self._backoff.failure()
        if answer.after_seconds is not None:
            delay_seconds = max(answer.after_seconds, delay_seconds)
        self._not_before_monotonic_seconds = time.monotonic() + delay_seconds
        words = answer.words
        if answer.after_seconds:  # it may be an hour, in which all looks as if it stood still
            words += f" (it asks to be left alone for {answer.after_seconds:.0f} s)"
        self.status = self.status._replace(state=state, error=words)
        self.store.fail(self.destination.name, self._token, state, words)

    def _has_lease(self, seconds: float) -> bool:
        """Whether the lease is ours for so long, renewing it where it is not. Where it had run out,
        another process may have sent the very page that is to go now."""
        if self._leased_until_monotonic_seconds - time.monotonic() >= seconds:
            return True
        return self._lease() == self._position

    def _lease(self) -> int | None:
        until_monotonic_seconds = time.monotonic() + self._lease_seconds
        name, token = self.destination.name, self._token
        position = self.store.lease(name, token, self._lease_seconds)
        self._leased_until_monotonic_seconds = 0.0 if position is None else until_monotonic_seconds
        return position
