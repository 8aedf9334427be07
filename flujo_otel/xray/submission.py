"""Traces on their way to another machine, sent one by one in the background."""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Final, NamedTuple

from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.backoff import PAUSE_SECONDS, Backoff
from flujo_otel.guard import guarded
from flujo_otel.host import host
from flujo_otel.model import SpanRecord
from flujo_otel.quiet import suppress_in_this_thread
from flujo_otel.xray.drops import NOT_SUBMITTED
from flujo_otel.xray.remote_sender import RemoteSender

QUEUE_BYTES: Final = 32 << 20
"""Of what waits to be sent; beyond it the newest is dropped and counted."""
EXIT_SECONDS: Final = 2.0
"""How long the end of the process waits for what is not sent yet."""
_RECORD_BYTES: Final = 1024
_logger = logging.getLogger("flujo_otel")


class Parcel(NamedTuple):
    """One trace."""

    records: Sequence[SpanRecord]
    size_bytes: int


class Submission:
    """To one receiver. Takes traces from any thread and never makes it wait.

    A receiver that is away is tried again, at first after half a second, later every half minute,
    for as long as the process lives.
    """

    def __init__(
        self, make_sender: Callable[[], RemoteSender], queue_bytes: int = QUEUE_BYTES
    ) -> None:
        self._make_sender = make_sender
        self._queue_bytes = queue_bytes
        self._begin()
        host().at_exit(self._finish)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Also in a forked child: what waits is its parent's to send, whose thread and connection
        it has not."""
        self._sender = self._make_sender()
        self._waiting: deque[Parcel] = deque()
        self._held_bytes = 0
        self._changed = Condition()
        self._thread: Thread | None = None
        self._ends_seconds: float | None = None
        self._is_told = False

    def put(self, records: Sequence[SpanRecord]) -> bool:
        """Accept a trace; False where there is no room, and it was counted as not submitted."""
        size_bytes = sum(_RECORD_BYTES + len(record.attributes) for record in records)
        with self._changed:
            if self._held_bytes + size_bytes > self._queue_bytes:
                self._lose("no room while the receiver did not answer")
                return False
            self._waiting.append(Parcel(records, size_bytes))
            self._held_bytes += size_bytes
            self._changed.notify_all()
            if self._thread is None:
                self._thread = Thread(target=self._run, name="flujo-otel-xray", daemon=True)
                self._thread.start()
        return True

    def flush(self, timeout_seconds: float) -> bool:
        """Whether all that was accepted is settled within that time."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting, max(deadline - time.monotonic(), 0)
            )

    def _finish(self) -> None:
        with self._changed:
            self._ends_seconds = time.monotonic() + EXIT_SECONDS
            self._changed.notify_all()
        if self.flush(EXIT_SECONDS):
            return
        with self._changed:
            lost = len(self._waiting)
            self._lose("the process ended first", lost)
            self._waiting.clear()
        _logger.warning("flujo-otel: the process ends with %d X-Ray traces not submitted", lost)

    def _run(self) -> None:
        suppress_in_this_thread()
        backoff = Backoff()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                parcel = self._waiting[0]
            answer = Answer(Verdict.REFUSED, "a fault of flujo-otel")
            with guarded("submitting an X-Ray trace"):
                answer = self._sender.send(parcel.records, self._timeout_seconds())
            if answer.verdict in (Verdict.RETRY, Verdict.PAUSE):
                self._wait(answer, backoff)
            else:
                backoff.success()
                self._settle(parcel, answer)

    def _timeout_seconds(self) -> float | None:
        """None: the sender's own."""
        ends = self._ends_seconds
        return None if ends is None else max(ends - time.monotonic(), 0.05)

    def _wait(self, answer: Answer, backoff: Backoff) -> None:
        self._tell(answer.words)
        is_pause = answer.verdict is Verdict.PAUSE
        seconds = PAUSE_SECONDS if is_pause else backoff.failure()
        with self._changed:
            ending = self._ends_seconds
            if ending is None:
                self._changed.wait_for(
                    lambda: self._ends_seconds is not None,
                    max(seconds, answer.after_seconds or 0.0),
                )
                return
        time.sleep(min(0.1, max(ending - time.monotonic(), 0.0)))

    def _settle(self, parcel: Parcel, answer: Answer) -> None:
        is_taken = answer.verdict is Verdict.TAKEN and not answer.rejected
        with self._changed:
            if self._waiting and self._waiting[0] is parcel:
                self._waiting.popleft()
                self._held_bytes -= parcel.size_bytes
                if not is_taken:
                    self._lose(answer.words)
            self._changed.notify_all()
        if not is_taken:
            self._tell(answer.words)

    def _lose(self, why: str, count: int = 1) -> None:
        host().count_loss(NOT_SUBMITTED, why, count)

    def _tell(self, words: str) -> None:
        if not self._is_told:
            self._is_told = True
            _logger.warning(
                "flujo-otel: X-Ray traces cannot be submitted to %s just now: %s (said once)",
                self._sender.shown,
                words,
            )
