"""Requests that are accepted and not yet stored: bounded in bytes, first in, first out."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from threading import Condition
from typing import NamedTuple

from flujo_otel.collector.received import Received
from flujo_otel.wire.otlp import Decoded
from flujo_otel.wire.partial_success import PartialSuccess


class Pending(NamedTuple):
    """A request that waits; `deadline_seconds` (monotonic) is when its client gives up. `received`
    None: it cannot be kept as it came."""

    decoded: Decoded
    held_bytes: int
    deadline_seconds: float
    future: "Future[PartialSuccess]"
    received: Received | None = None


class Waiting:
    """Thread-safe. What is taken counts against the bound until it is released."""

    def __init__(self, bound_bytes: int, group_spans: int) -> None:
        self._bound_bytes = bound_bytes
        self._group_spans = group_spans
        self._held_bytes = 0
        self._pending: deque[Pending] = deque()
        self._changed = Condition()
        self._closed = False

    def put(self, pending: Pending) -> bool:
        """Accept a request; False where there is no room, or it is closed."""
        with self._changed:
            # One is let in however large it is: later it would be no smaller.
            is_full = self._held_bytes and self._held_bytes + pending.held_bytes > self._bound_bytes
            if is_full or self._closed:
                return False
            self._held_bytes += pending.held_bytes
            self._pending.append(pending)
            if len(self._pending) == 1:  # to be woken for each costs more than to receive one
                self._changed.notify()
            return True

    def take(self, timeout_seconds: float) -> list[Pending]:
        """The oldest, a full group or a few spans more in all; none where none comes in time."""
        with self._changed:
            if not self._pending and not self._closed:
                self._changed.wait(timeout_seconds)
            taken: list[Pending] = []
            spans = 0
            while self._pending and spans < self._group_spans:
                taken.append(self._pending.popleft())
                spans += len(taken[-1].decoded.batch.records)
            return taken

    def put_back(self, taken: Iterable[Pending], now_seconds: float) -> list[Pending]:
        """Take these up again, in front; the answer is those (of all) whose time is up."""
        with self._changed:
            everything = (*taken, *self._pending)
            self._pending = deque(p for p in everything if p.deadline_seconds > now_seconds)
            return [p for p in everything if p.deadline_seconds <= now_seconds]

    def release(self, taken: Iterable[Pending]) -> None:
        """These are done with, one way or the other."""
        with self._changed:
            self._held_bytes -= sum(pending.held_bytes for pending in taken)

    def close(self) -> None:
        """Accept no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    @property
    def is_over(self) -> bool:
        """Closed, and nothing waits."""
        with self._changed:
            return self._closed and not self._pending
