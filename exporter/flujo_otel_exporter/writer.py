"""The process's one writer to a database: a bounded queue and the thread that empties it."""

import logging
import time
from _thread import start_new_thread
from collections.abc import Callable
from math import inf
from threading import Lock, get_ident
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from flujo_otel import forks, process
from flujo_otel.bell import Bell
from flujo_otel.errors import StoreError, StoreUnavailable
from flujo_otel.guard import guarded
from flujo_otel.quiet import suppress_in_this_thread, suppressed
from flujo_otel.spanstore.api import SpanWriter
from flujo_otel_exporter import children, process_exit, termination
from flujo_otel_exporter.delivery import Delivery, Source
from flujo_otel_exporter.intake import Intake
from flujo_otel_exporter.limits import EXIT_SECONDS, SLOW_EXIT_SECONDS, Limits
from flujo_otel_exporter.losses import LossCounter, service_of

_logger = logging.getLogger("flujo_otel")
_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 0.005
"""At a SIGTERM, of whose 2 s a second's rest would be half: of 17 processes that were terminated
among 50, all of which wrote, 14 wrote nothing; so, none to two."""
_COUNTING_SECONDS: Final = 0.3
"""Of those 2 s what is kept for the ledger, where there is more than can be written in them."""
_REST_SHARE: Final = 0.25
"""Of the flush interval, after each write, before one that is only hurried: 50 ms, which is less
than `lens` takes to start. To write each of 200 runs a second as it ends takes a seventh of a core;
so, a fiftieth."""
_TAIL_SECONDS: Final = 0.02
"""For what the program does as its run ends, before what is hurried: written in the same moment,
100 spans kept a run of flujo's from returning for 4 ms more."""
_INTERRUPT_SECONDS: Final = 1.0
"""How long a fork then waits for a write that it has interrupted. Where it did not, of 60 children
of a program with three saturated threads 12 could not trace."""
_INTERRUPT_AGAIN_SECONDS: Final = 0.02
"""A write is several statements, and there may have been none under way."""


class StoreWriter:
    """Takes spans from any thread and never makes it wait for the store.

    `_step_lock` is held for one step of the delivery. `_post` is held by the thread as long as it
    runs, so that there is never a second one. The thread is a bare one:
    `Thread.start` waits for the new thread, takes locks that a signal handler would meet, and is
    itself traced by opentelemetry-instrumentation-threading.
    """

    def __init__(self, open_store: Callable[[], SpanWriter], limits: Limits) -> None:
        self._open_store = open_store
        self._limits = limits
        self._sources: list[Source] = []
        self._begin(open_store)
        forks.join(self)
        process_exit.register(self.finish)
        termination.install(self.terminate)

    def _begin(self, open_store: Callable[[], SpanWriter]) -> None:
        self._bell = Bell()
        self._intake = Intake(self._limits, self._bell)
        self._losses = LossCounter()
        self._delivery = Delivery(self._intake, self._losses, self._limits, open_store)
        self._step_lock = Lock()
        self._post = Lock()
        self._thread: int | None = None
        self._alive = False
        self._ending = False
        self._last_seconds = inf
        """Once there is a SIGTERM: when the process ends (monotonic). Each try counts."""
        self._pausing = 0
        """How many forks are under way."""
        self._collected_seconds = 0.0
        self._collect_now = False
        self._is_hurried = False
        self._tried_seconds = 0.0
        self._waited_seconds = 0.0
        """What flushes at shutdowns have waited in vain, of the 5 s that they have in all."""
        self._said: set[str] = set()

    # --- the traced program's threads --------------------------------------------------------

    def put(self, span: ReadableSpan, run_id: str | None) -> bool:
        """Accept an ended span; False if it was dropped (and counted) because the queue is full."""
        if not self._alive:
            self._start()
        if self._intake.put(span, run_id):
            return True
        self._losses.count(service_of(span.resource), "queue_full")
        return False

    def hurry(self) -> None:
        """What was put just now is waited for, most likely: write it soon."""
        if not self._is_hurried:
            self._is_hurried = True
            self._bell.ring()

    def count_loss(self, service: str, reason: str, detail: str, count: int) -> None:
        """Have the ledger say of `count` things that they were not recorded, and why."""
        self._losses.count(service, reason, detail, count)
        self._delivery.opens_for_losses = True
        if not self._ending:
            self.wake()
        elif not self._step_lock.locked():  # whoever has it reports losses last of all
            self.settle()

    def watch(self, source: Source) -> None:
        """Have the open spans of `source` written as running."""
        self._sources.append(source)
        # The writer may have been made off the main thread, where no handler can be installed.
        termination.install(self.terminate)
        self._start()

    def wake(self) -> None:
        """See that there is a thread to write what runs."""
        if not self._alive:
            self._start()

    def forget(self, source: Source) -> None:
        """The reverse of `watch`."""
        if source in self._sources:
            self._sources.remove(source)

    def flush(self, timeout_seconds: float) -> bool:
        """True if everything accepted so far was committed within `timeout_seconds`."""
        if get_ident() == self._thread:
            return False
        self._collect_now = True
        marker = self._intake.mark()
        if self._start():
            return marker.wait(timeout_seconds)
        return self._drain_here(timeout_seconds)

    # --- the ends ----------------------------------------------------------------------------

    def settle(self) -> bool:
        """Flush, for a shutdown or the end of the process. In vain these wait 5 s in all."""
        started = time.monotonic()
        if self.flush(max(EXIT_SECONDS - self._waited_seconds, 0)):
            return True
        self._waited_seconds += time.monotonic() - started
        return False

    def finish(self) -> None:
        """At the end of the process: write what is held on this thread and close. A store that
        takes no writes is waited for 5 s, one that is slow for 30 s."""
        self._ending = True
        started = time.monotonic()
        if not self.settle() and not self._went_on(started + EXIT_SECONDS + SLOW_EXIT_SECONDS):
            waited_seconds = time.monotonic() - started
            reason = self._delivery.unavailable or f"not done within {waited_seconds:.0f} s."
            count = self._delivery.count_held()
            spans = "1 span" if count == 1 else f"{count} spans"
            self._say("flujo-otel: the process ends with %s unwritten: %s", spans, reason)

    def _went_on(self, deadline_seconds: float) -> bool:
        """Whether all was written after all, where ever more of it was."""
        while (patience_seconds := EXIT_SECONDS - self._intake.idle_seconds) > 0:
            left_seconds = deadline_seconds - time.monotonic()
            if left_seconds <= 0 or self._delivery.cannot_open:
                return False
            if self.flush(min(patience_seconds, left_seconds)):
                return True
        return False

    def _say(self, message: str, *values: object) -> None:
        if message not in self._said:
            self._said.add(message)
            _logger.warning(message, *values)

    def terminate(self, deadline_seconds: float) -> None:
        """In a signal handler: wait for the writer's thread until `deadline_seconds` (monotonic).
        What cannot be written by then is counted in the ledger.

        Takes no lock. Should the signal have come between deciding on a thread and starting it, a
        second one is started here; the one that finds the post taken leaves.
        """
        self._last_seconds = deadline_seconds
        if not self._ending:
            self._spawn()
        self.flush(max(deadline_seconds - time.monotonic(), 0))

    # --- fork --------------------------------------------------------------------------------

    def pause(self) -> bool:
        """Stand still between two batches, the database closed; False if that takes too long."""
        self._pausing += 1
        if not self._came_to_rest():
            self._pausing -= 1
            self._losses.count(process.current().command, "unsafe_fork")
            return False
        try:
            with suppressed():
                self._delivery.close()
        except BaseException:
            self.resume()
            raise
        return True

    def _came_to_rest(self) -> bool:
        """Whether the door is ours. Beside busy threads a write takes 0.2 to 0.5 s."""
        door = self._delivery.door
        if door.acquire(timeout=forks.PAUSE_SECONDS):
            return True
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while time.monotonic() < deadline:
            self._delivery.interrupt()
            if door.acquire(timeout=_INTERRUPT_AGAIN_SECONDS):
                return True
        return False

    def resume(self) -> None:
        """After a `pause` that returned True."""
        self._pausing -= 1
        self._delivery.door.release()

    def start_over(self, *, safe: bool) -> None:
        """In the child: drop what is the parent's."""
        if not safe:
            # For good: a grandchild has the same file locks from before the fork as this child.
            forks.leak(self._delivery.store)
            self._open_store = _refuse
        self._begin(self._open_store)
        for source in self._sources:
            source.start_over()

    # --- the writer's thread -----------------------------------------------------------------

    def _start(self) -> bool:
        """Whether there is a thread now."""
        if self._alive or self._ending:
            return self._alive and not self._ending
        children.watch()
        return self._spawn()

    def _spawn(self) -> bool:
        self._alive = True
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # out of threads, or the interpreter is shutting down
            self._alive = False
        return self._alive

    def _run(self) -> None:
        if not self._post.acquire(blocking=False):
            return
        self._thread = get_ident()
        try:
            suppress_in_this_thread()
            self._work()
        finally:
            self._thread = None
            self._post.release()
            self._alive = False

    def _work(self) -> None:
        retry_seconds = 0.0
        while not self._ending:
            self._bell.wait(retry_seconds or self._limits.flush_interval_seconds)
            self._rest(retry_seconds)
            with guarded("the writer"):
                if self._drained():
                    retry_seconds = 0.0
                else:
                    is_terminated = self._last_seconds < inf
                    longest = _LAST_RETRY_SECONDS if is_terminated else _LONGEST_RETRY_SECONDS
                    retry_seconds = min(2 * retry_seconds or _RETRY_SECONDS, longest)

    def _rest(self, retry_seconds: float) -> None:
        """Before a write that nobody asked for, and after the last: in a service each request is a
        run that ends. After one in vain too, `retry_seconds` long: tried again at each of 500 ends
        a second, a full disk took a core."""
        if not self._is_hurried:
            return
        rest_seconds = retry_seconds or self._limits.flush_interval_seconds * _REST_SHARE
        left_seconds = self._tried_seconds + rest_seconds - time.monotonic()
        if not self._collect_now and (retry_seconds or not self._intake.is_due):
            self._bell.wait(max(left_seconds, min(_TAIL_SECONDS, rest_seconds)))
        self._is_hurried = False

    def _drained(self) -> bool:
        """Empty the queue; False where the store does not accept writes for now."""
        try:
            self._drain()
        except StoreUnavailable as error:
            if self._delivery.cannot_open:
                self._say("flujo-otel: spans cannot be stored: %s", error)
            _logger.debug("flujo-otel: the database does not accept writes: %s", error)
            return False
        finally:
            self._tried_seconds = time.monotonic()
        self._waited_seconds = 0.0
        return True

    def _drain(self) -> None:
        more = True
        while more and not self._ending:
            if self._pausing:
                time.sleep(0.001)
                continue
            with self._step_lock:
                if time.monotonic() > self._last_seconds - _COUNTING_SECONDS:
                    self._delivery.give_up_waiting()
                    return
                self._collect()
                more = self._delivery.step()

    def _collect(self) -> None:
        now = time.monotonic()
        if (
            self._collect_now
            or now - self._collected_seconds >= self._limits.flush_interval_seconds
        ):
            self._collect_now = False
            self._collected_seconds = now
            self._delivery.collect(self._sources)

    def _drain_here(self, timeout_seconds: float) -> bool:
        """What the thread does, on the calling thread, which has no other to wait for."""
        deadline = time.monotonic() + timeout_seconds
        with termination.deferred(), suppressed():
            # Before the lock is asked for: whoever has it rests no more.
            self._delivery.pace.in_haste = True
            try:
                return self._drain_alone(deadline, timeout_seconds)
            finally:
                self._delivery.pace.in_haste = False

    def _drain_alone(self, deadline_seconds: float, timeout_seconds: float) -> bool:
        if not self._step_lock.acquire(timeout=timeout_seconds):
            return False
        try:
            return self._step_until(deadline_seconds)
        finally:
            self._close_here()
            self._step_lock.release()

    def _close_here(self) -> None:
        """Close the database, unless somebody who forks keeps the door: nothing at an end may wait
        without a bound."""
        if self._delivery.door.acquire(timeout=forks.PAUSE_SECONDS):
            try:
                self._delivery.close()
            finally:
                self._delivery.door.release()

    def _step_until(self, deadline_seconds: float) -> bool:
        self._collect()
        while True:
            try:
                if not self._delivery.step():
                    return True
            except StoreUnavailable:
                if self._delivery.cannot_open:
                    return False
                time.sleep(_RETRY_SECONDS)
            if time.monotonic() > termination.soonest(deadline_seconds):
                return False


def _refuse() -> SpanWriter:
    raise StoreError(
        "This process was forked while its parent was writing a span; writing to the same database"
        " here could damage it, so this process's spans are dropped."
    )
