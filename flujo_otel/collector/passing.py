"""Metrics and logs, handed on as they came to the destinations that take them.

Best effort: they are not in the store, so what a destination does not take at once is gone (and
counted). Over HTTP and in protobuf alone; a destination that says it has no such route is not asked
again for a while.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Condition, Thread
from typing import Final, NamedTuple

from opentelemetry.instrumentation.utils import suppress_instrumentation

from flujo_otel.collector.unstored import Signal
from flujo_otel.forward.answer import Verdict
from flujo_otel.forward.destination import Destination, Protocol
from flujo_otel.forward.sender import Sender, sender_to
from flujo_otel.guard import guarded
from flujo_otel.wire.transport import TRACES_PATH

HELD_BYTES: Final = 8 * 1024 * 1024
ASK_AGAIN_SECONDS: Final = 600.0
_PATHS: Final = {Signal.METRICS: "/v1/metrics", Signal.LOGS: "/v1/logs"}


class Passing:
    """`offer` what came; a thread sends it. `stop` ends that."""

    def __init__(self, destinations: Iterable[Destination]) -> None:
        self._routes = [
            _Route(signal, to)
            for to in destinations
            for signal in Signal
            if to.protocol is Protocol.HTTP and to.endpoint.endswith(TRACES_PATH)
        ]
        self._waiting: deque[_Offer] = deque()
        self._held_bytes = 0
        self._is_ending = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="flujo-otel-pass", daemon=True)
        if self._routes:
            self._thread.start()

    def offer(self, signal: Signal, body: bytes, not_taken: Callable[[], None]) -> bool:
        """True: it is tried, and `not_taken` is called from a thread where nobody takes it. Never
        blocks."""
        if not any(route.is_open(signal) for route in self._routes):
            return False
        with self._changed:
            if self._is_ending or self._held_bytes + len(body) > HELD_BYTES:
                return False
            self._held_bytes += len(body)
            self._waiting.append(_Offer(signal, body, not_taken))
            self._changed.notify()
        return True

    def stop(self, timeout_seconds: float) -> None:
        """Send what waits, for so long at most; the rest is not taken."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        if self._routes:
            self._thread.join(max(deadline - time.monotonic(), 0.0))
        with self._changed:
            left, self._waiting = self._waiting, deque()
        for offer in left:
            offer.not_taken()

    def _run(self) -> None:
        with suppress_instrumentation():
            while (offer := self._next()) is not None:
                taken: list[bool] = []
                with guarded("passing metrics and logs on"):
                    taken += [route.send(offer) for route in self._routes]
                if not any(taken):
                    offer.not_taken()

    def _next(self) -> "_Offer | None":
        with self._changed:
            while not self._waiting:
                if self._is_ending:
                    return None
                self._changed.wait()
            offer = self._waiting.popleft()
            self._held_bytes -= len(offer.body)
            return offer


class _Offer(NamedTuple):
    signal: Signal
    body: bytes
    not_taken: Callable[[], None]


class _Route:
    """One signal's way to one destination."""

    def __init__(self, signal: Signal, to: Destination) -> None:
        self._signal = signal
        self._to = replace(to, endpoint=to.endpoint.removesuffix(TRACES_PATH) + _PATHS[signal])
        self._sender: Sender | None = None
        self._closed_until = 0.0

    def is_open(self, signal: Signal) -> bool:
        return signal is self._signal and time.monotonic() >= self._closed_until

    def send(self, offer: _Offer) -> bool:
        """Whether the destination took it."""
        if not self.is_open(offer.signal):
            return False
        if self._sender is None:
            self._sender = sender_to(self._to)
        verdict = self._sender.send(offer.body, self._to.timeout_seconds).verdict
        if verdict is Verdict.PAUSE:
            self._closed_until = time.monotonic() + ASK_AGAIN_SECONDS
        return verdict is Verdict.TAKEN
