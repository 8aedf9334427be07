"""Metrics and logs on their way through: they are not stored, so they are sent on as they came, as
well as that goes, bounded in memory, and what does not arrive is counted.
"""

import time
from _thread import start_new_thread
from collections import Counter, deque
from collections.abc import Callable, Iterable
from threading import Condition
from typing import Final, NamedTuple

from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.destination import PROTOBUF, Destination, Protocol, Signal
from flujo_otel.forward.forwarder import nothing
from flujo_otel.forward.patience import Patience
from flujo_otel.forward.sender import Sender, sender_to
from flujo_otel.guard import guarded
from flujo_otel.spanstore.destinations import Filter

QUEUE_BYTES: Final = 16 << 20
PATIENCE_SECONDS: Final = 30.0
"""So long a backend that is away is waited for; then what waits for it is given up."""
_NOT_TAKEN: Final = ("404 ", "405 ", "501 ", "UNIMPLEMENTED")


class _Request(NamedTuple):
    signal: Signal
    body: bytes
    content_type: str


class PassThrough:
    """To every destination that takes a signal. One that says there is no such service here is not
    asked again. A destination with a filter gets spans alone."""

    def __init__(
        self,
        destinations: Iterable[Destination],
        *,
        queue_bytes: int = QUEUE_BYTES,
        prepare: Callable[[], None] = nothing,
    ) -> None:
        chosen = [each for each in destinations if each.where == Filter()]
        self._lanes = [_Lane(each, queue_bytes, prepare) for each in chosen]

    def offer(self, signal: Signal, body: bytes, content_type: str = PROTOBUF) -> bool:
        """Never blocks. True where some destination may get it."""
        request = _Request(signal, body, content_type)
        accepted = [lane.put(request) for lane in self._lanes]
        return any(accepted)

    def stop(self, timeout_seconds: float) -> bool:
        """Send what waits, for so long at most, and end. True if nothing is left."""
        deadline = time.monotonic() + timeout_seconds
        for lane in self._lanes:
            lane.end()
        ended = [lane.wait(deadline - time.monotonic()) for lane in self._lanes]
        return all(ended)

    def lost(self) -> dict[tuple[str, Signal], int]:
        """Requests that did not arrive, by destination and signal."""
        return {
            (lane.destination.name, signal): count
            for lane in self._lanes
            for signal, count in lane.lost.items()
        }


class _Lane:
    """The queue and the thread of one destination; the thread starts with the first request."""

    def __init__(
        self, destination: Destination, queue_bytes: int, prepare: Callable[[], None]
    ) -> None:
        self.destination = destination
        self.lost: Counter[Signal] = Counter()
        self._prepare = prepare
        self._queue_bytes = queue_bytes
        self._queue: deque[_Request] = deque()
        self._held_bytes = 0
        self._changed = Condition()
        self._is_alive = False
        self._is_ending = False
        self._senders: dict[Signal, Sender] = {}
        self._not_taken: set[Signal] = set()

    def put(self, request: _Request) -> bool:
        if not self._takes(request):
            return False
        with self._changed:
            if self._is_ending or self._held_bytes + len(request.body) > self._queue_bytes:
                self.lost[request.signal] += 1
                return False
            self._queue.append(request)
            self._held_bytes += len(request.body)
            if not self._is_alive:
                self._is_alive = True
                start_new_thread(self._run, ())
            self._changed.notify_all()
        return True

    def end(self) -> None:
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    def wait(self, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_alive, max(timeout_seconds, 0))

    def _takes(self, request: _Request) -> bool:
        if request.signal in self._not_taken:
            return False
        if request.content_type != PROTOBUF and self.destination.protocol is Protocol.GRPC:
            return False
        return self.destination.endpoint_for(request.signal) is not None

    def _run(self) -> None:
        try:
            self._prepare()
            while (request := self._next()) is not None:
                with guarded(f"passing {request.signal} on to {self.destination.name}"):
                    self._pass(request)
                with self._changed:
                    self._held_bytes -= len(request.body)
        finally:
            for sender in self._senders.values():
                sender.close()
            with self._changed:
                self._is_alive = False
                self._changed.notify_all()

    def _next(self) -> _Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_ending)
            return self._queue.popleft() if self._queue else None

    def _pass(self, request: _Request) -> None:
        answer = self._answer(request)
        if answer.verdict is Verdict.TAKEN:
            return
        self.lost[request.signal] += 1
        if answer.verdict is Verdict.PAUSE and answer.words.startswith(_NOT_TAKEN):
            self._not_taken.add(request.signal)

    def _answer(self, request: _Request) -> Answer:
        """Of the last attempt."""
        sender = self._senders.get(request.signal)
        if sender is None:
            sender = self._senders[request.signal] = sender_to(self.destination, request.signal)
        patience, give_up = Patience(), time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = sender.send(
                request.body, self.destination.timeout_seconds, request.content_type
            )
            delay_seconds = max(answer.after_seconds or 0.0, patience.failure())
            is_hopeless = time.monotonic() + delay_seconds > give_up or self._is_ending
            if answer.verdict is not Verdict.RETRY or is_hopeless:
                return answer
            with self._changed:
                self._changed.wait_for(lambda: self._is_ending, delay_seconds)
