"""The bounded queue between the traced program's threads and the writer's.

Nothing here takes a lock: a signal handler may interrupt a producer at any point and then waits for
the writer, which must not wait for the producer.
"""

import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from flujo_otel.bell import Bell
from flujo_otel.wire.span_snapshot import SpanSnapshot, span_snapshot
from flujo_otel_exporter import patience
from flujo_otel_exporter.limits import STALL_SECONDS, WAIT_SECONDS, Limits

_STEP_SECONDS: Final = 0.001


class Marker:
    """Stands in the queue; done when everything before it is committed."""

    def __init__(self) -> None:
        self._bell = Bell()
        self._is_done = False

    def done(self) -> None:
        """Everything before it is committed."""
        self._is_done = True
        self._bell.ring()

    def give_up(self) -> None:
        """Waiting for it is of no use just now."""
        self._bell.ring()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it was done within that time; False at once where it was given up."""
        return self._bell.wait(timeout_seconds) and self._is_done


class Intake:
    """Spans accepted and not yet committed, bounded in bytes."""

    def __init__(self, limits: Limits, bell: Bell) -> None:
        self._limits = limits
        self._bell = bell
        self._entries: deque[SpanSnapshot | Marker] = deque()
        # Producers add to the one, the writer to the other. CPython switches threads at calls and
        # jumps only, never inside `+=` on an attribute; should another interpreter lose an addition
        # there, `release` puts it right when the queue is next empty.
        self._accepted_bytes = 0
        self._released_bytes = 0
        self._progress_seconds = time.monotonic()
        self._stalled = False

    @property
    def held_bytes(self) -> int:
        """What is in memory: queued, or taken and not yet committed."""
        return self._accepted_bytes - self._released_bytes

    @property
    def is_filling(self) -> bool:
        """Whether the queue is more than half full."""
        return 2 * self.held_bytes > self._limits.queue_bytes

    @property
    def is_due(self) -> bool:
        """Whether there is a whole batch, or a marker that somebody waits for: the bell rang for
        it once, and who heard it may have heard another ring with it."""
        if len(self._entries) >= self._limits.batch_spans:
            return True
        return any(isinstance(entry, Marker) for entry in self._entries.copy())

    def __bool__(self) -> bool:
        return bool(self._entries)

    def put(self, span: ReadableSpan, run_id: str | None) -> bool:
        """Accept `span`; False if there is no room, and none came within the bounded wait."""
        taken = span_snapshot(span, run_id)
        size_bytes = taken.size_bytes
        if not self._has_room(size_bytes) and not self._wait_for_room(size_bytes):
            return False
        self._entries.append(taken)
        self._accepted_bytes += size_bytes
        if len(self._entries) == self._limits.batch_spans:
            self._bell.ring()
        return True

    def mark(self) -> Marker:
        """Put a marker behind all that was accepted so far, and ask for a flush."""
        marker = Marker()
        self._entries.append(marker)
        self._bell.ring()
        return marker

    def take(self) -> Iterator[SpanSnapshot]:
        """The oldest first, up to the next marker."""
        entries = self._entries
        while entries and not isinstance(entries[0], Marker):
            yield entries.popleft()  # type: ignore[misc]

    def pass_markers(self, *, committed: bool = True) -> None:
        """Everything before them is committed; not `committed`: part of it never will be."""
        while self._entries and isinstance(marker := self._entries[0], Marker):
            self._entries.popleft()
            if committed:
                marker.done()
            else:
                marker.give_up()

    def give_up_markers(self) -> None:
        """Nobody is to wait for what is held. The spans stay."""
        for entry in self._entries.copy():
            if isinstance(entry, Marker):
                entry.give_up()

    def clear(self) -> None:
        """Drop all that waits, which the caller has counted; nobody waits for it any more."""
        self.give_up_markers()
        self._entries.clear()
        self._released_bytes = self._accepted_bytes

    def waiting(self) -> Iterator[SpanSnapshot]:
        """The spans in the queue, which they stay in."""
        return (entry for entry in self._entries.copy() if not isinstance(entry, Marker))

    def release(self, size_bytes: int) -> None:
        """So much of what was taken is committed, or given up and counted."""
        self._released_bytes += size_bytes
        self.progress()
        if not self._entries:
            self._released_bytes = self._accepted_bytes

    def progress(self) -> None:
        """The writer is getting somewhere: waiting for it is worth while."""
        self._progress_seconds = time.monotonic()
        self._stalled = False

    @property
    def idle_seconds(self) -> float:
        """Since it last got anywhere."""
        return time.monotonic() - self._progress_seconds

    def stall(self) -> None:
        """The store does not accept writes for now: nobody is to wait for it."""
        self._stalled = True

    def _has_room(self, size_bytes: int) -> bool:
        most = self._limits.queue_spans
        if most is not None and len(self._entries) >= most:
            return False
        held = self.held_bytes
        # A single span larger than the bound is let in when nothing else is held.
        return held + size_bytes <= self._limits.queue_bytes or not held

    def _wait_for_room(self, size_bytes: int) -> bool:
        if self._stalled or not patience.may_wait():
            return False
        self._bell.ring()
        started = time.monotonic()
        while not self._has_room(size_bytes):
            now = time.monotonic()
            idle = now - max(self._progress_seconds, started)
            if self._stalled or idle > STALL_SECONDS or now - started > WAIT_SECONDS:
                self._stalled = True
                return False
            time.sleep(_STEP_SECONDS)
        return True
