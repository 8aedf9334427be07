"""Metrics and logs on their way through: they are not stored, so they are sent on as they came, as
well as that goes, bounded in memory, and whoever offers them hears of what nobody took.
"""

import time
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition, Lock
from typing import Final

from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.backoff import Backoff
from flujo_otel.forward.destination import PROTOBUF, Destination, OTLPProtocol
from flujo_otel.forward.forwarder import nothing
from flujo_otel.forward.sender import Sender, sender_to
from flujo_otel.guard import guarded
from flujo_otel.spanstore.destinations import Filter
from flujo_otel.wire.transport import Signal

QUEUE_BYTES: Final = 16 << 20
PATIENCE_SECONDS: Final = 30.0
"""So long a backend that is away is waited for; then what waits for it is tried once each."""
ASK_AGAIN_SECONDS: Final = 600.0
_REQUEST_BYTES: Final = 1024
"""What a request takes beside its body: else 16 MiB of empty ones would be millions."""
_NOT_TAKEN: Final = ("404 ", "405 ", "501 ", "UNIMPLEMENTED")


class PassThrough:
    """To every destination that takes a signal, each at its own pace. One that says there is no
    such service here is not asked again for a while. A destination with a filter gets spans alone:
    it is not for everything."""

    def __init__(
        self,
        destinations: Iterable[Destination],
        *,
        queue_bytes: int = QUEUE_BYTES,
        prepare: Callable[[], None] = nothing,
    ) -> None:
        """`queue_bytes`: bound on what waits, for each destination. `prepare`: see `Forwarder`."""
        chosen = [each for each in destinations if each.where == Filter()]
        self._lanes = [_Lane(each, queue_bytes, prepare) for each in chosen]

    def offer(
        self,
        signal: Signal,
        body: bytes,
        not_taken: Callable[[], None],
        content_type: str = PROTOBUF,
    ) -> None:
        """Never blocks. `not_taken` is called once, here or from a thread, where no destination
        took it."""
        lanes = [lane for lane in self._lanes if lane.takes(signal, content_type)]
        if not lanes:
            not_taken()
            return
        request = _Request(signal, body, content_type, lanes, not_taken)
        for lane in lanes:
            lane.put(request)

    def stop(self, timeout_seconds: float) -> bool:
        """Send what waits, for so long at most, and end; what is left then is not taken. True if
        nothing is."""
        deadline = time.monotonic() + timeout_seconds
        for lane in self._lanes:
            lane.end()
        ended = [lane.wait(deadline - time.monotonic()) for lane in self._lanes]
        left = [lane.give_up() for lane in self._lanes]
        return all(ended) and not any(left)


class _Request:
    """One that several destinations may take."""

    def __init__(
        self,
        signal: Signal,
        body: bytes,
        content_type: str,
        lanes: "Iterable[_Lane]",
        not_taken: Callable[[], None],
    ) -> None:
        self.signal = signal
        self.body = body
        self.content_type = content_type
        self._not_taken = not_taken
        self._is_taken = False
        self._left = set(lanes)
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        return len(self.body) + _REQUEST_BYTES

    def settle(self, lane: "_Lane", *, is_taken: bool) -> None:
        """What came of it there; what is said first holds."""
        with self._lock:
            if lane not in self._left:
                return
            self._left.remove(lane)
            self._is_taken = self._is_taken or is_taken
            is_lost = not self._left and not self._is_taken
        if is_lost:
            self._not_taken()


class _Lane:
    """The queue and the thread of one destination; the thread starts with the first request."""

    def __init__(
        self, destination: Destination, queue_bytes: int, prepare: Callable[[], None]
    ) -> None:
        self._destination = destination
        self._prepare = prepare
        self._queue_bytes = queue_bytes
        self._queue: deque[_Request] = deque()
        self._sent: _Request | None = None
        self._held_bytes = 0
        self._changed = Condition()
        self._is_alive = False
        self._is_ending = False
        self._senders: dict[Signal, Sender] = {}
        self._closed_until: dict[Signal, float] = {}
        self._backoff = Backoff()
        self._give_up_at: float | None = None

    def takes(self, signal: Signal, content_type: str) -> bool:
        """Whether it is any use to offer such a request."""
        if time.monotonic() < self._closed_until.get(signal, 0.0):
            return False
        if content_type != PROTOBUF and self._destination.protocol is OTLPProtocol.GRPC:
            return False
        return self._destination.endpoint_for(signal) is not None

    def put(self, request: _Request) -> None:
        """Never blocks; where there is no room, it is settled at once."""
        with self._changed:
            is_in = (
                not self._is_ending and self._held_bytes + request.size_bytes <= self._queue_bytes
            )
            if is_in:
                self._queue.append(request)
                self._held_bytes += request.size_bytes
                self._start()
                self._changed.notify_all()
        if not is_in:
            request.settle(self, is_taken=False)

    def end(self) -> None:
        """Send what waits, once each, and end. Does not wait."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    def wait(self, timeout_seconds: float) -> bool:
        """Until the thread has ended; False where that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_alive, max(timeout_seconds, 0))

    def give_up(self) -> bool:
        """What waits still, and what is being sent: True if there is any."""
        with self._changed:
            left = [*self._queue] if self._sent is None else [self._sent, *self._queue]
            self._queue.clear()
        for request in left:
            request.settle(self, is_taken=False)
        return bool(left)

    def _start(self) -> None:
        if self._is_alive:
            return
        self._is_alive = True
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # out of threads; the next request tries again
            self._is_alive = False

    def _run(self) -> None:
        try:
            self._prepare()
            while (request := self._next()) is not None:
                self._pass(request)
        finally:
            for sender in self._senders.values():
                sender.close()
            self._senders.clear()
            with self._changed:
                self._is_alive = False
                self._changed.notify_all()

    def _next(self) -> _Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_ending)
            self._sent = self._queue.popleft() if self._queue else None
            return self._sent

    def _pass(self, request: _Request) -> None:
        is_taken = False
        try:
            with guarded(f"passing {request.signal} on to {self._destination.name}"):
                is_taken = self._is_taken(request)
        finally:
            # First: at the end, what is neither sent nor settled would be counted by nobody.
            request.settle(self, is_taken=is_taken)
            with self._changed:
                self._sent = None
                self._held_bytes -= request.size_bytes

    def _is_taken(self, request: _Request) -> bool:
        if not self.takes(request.signal, request.content_type):
            return False  # it has said so to one before
        answer = self._answer(request)
        if answer.verdict is Verdict.PAUSE and answer.words.startswith(_NOT_TAKEN):
            self._closed_until[request.signal] = time.monotonic() + ASK_AGAIN_SECONDS
        return answer.verdict is Verdict.TAKEN

    def _answer(self, request: _Request) -> Answer:
        """Of the last attempt."""
        sender = self._senders.get(request.signal)
        if sender is None:
            sender = self._senders[request.signal] = sender_to(self._destination, request.signal)
        timeout_seconds = self._destination.timeout_seconds
        while True:
            answer = sender.send(request.body, timeout_seconds, request.content_type)
            if answer.verdict is not Verdict.RETRY:
                self._backoff.success()
                self._give_up_at = None
                return answer
            if not self._waits(answer):
                return answer

    def _waits(self, answer: Answer) -> bool:
        """Whether to try again: then after the wait."""
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + PATIENCE_SECONDS
        delay_seconds = max(answer.after_seconds or 0.0, self._backoff.failure())
        if time.monotonic() + delay_seconds > self._give_up_at:
            return False
        with self._changed:
            return not self._changed.wait_for(lambda: self._is_ending, delay_seconds)
