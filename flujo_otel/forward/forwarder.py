"""A thread that sends what is stored to one destination."""

import logging
import time
from _thread import start_new_thread
from collections.abc import Callable
from threading import Event, Lock
from typing import Final

from flujo_otel import forks
from flujo_otel.errors import StoreError, StoreUnavailable
from flujo_otel.forward.destination import Destination
from flujo_otel.forward.dispatch import Dispatch, ForwarderStatus
from flujo_otel.guard import guarded, report
from flujo_otel.spanstore.destinations import DestinationStore

_logger = logging.getLogger("flujo_otel")
_STORE_RETRY_SECONDS: Final = 1.0
_FAULT_SECONDS: Final = 60.0
_UNAVAILABLE_SAID: Final = 10
"""A database that cannot be used so often in a row is more than locked for a moment."""


def nothing() -> None:
    """Where there is nothing to prepare."""


class Forwarder:
    """Starts with `start`; never raises into, nor waits for, whoever made it.

    `open_store` gives the cursor's store. `prepare` is called first in its thread (a traced program
    keeps instrumentation away from it). A fork: `pause`, then `resume` in the parent and
    `start_over` in the child, which begins with nothing.

    Raises MissingExtra and SettingsError when made.
    """

    def __init__(
        self,
        destination: Destination,
        open_store: Callable[[], DestinationStore],
        *,
        prepare: Callable[[], None] = nothing,
    ) -> None:
        self.destination = destination
        self._open_store = open_store
        self._prepare = prepare
        self._is_refused = False
        self._begin()

    def _begin(self) -> None:
        self._dispatch = Dispatch(self.destination, self._open_store())
        self._post = Lock()
        """Held by whoever does the work: the thread, or `stop` once there is no thread."""
        self._ending = Event()
        self._deadline_monotonic_seconds: float | None = None
        self._is_wanted = False
        self._is_alive = False
        self._is_finished = False
        self._said: set[str] = set()
        self._unavailable = 0
        """How often in a row the database could not be used."""

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._is_alive

    def status(self) -> ForwarderStatus:
        """What it has done so far. Cheap; from any thread."""
        return self._dispatch.status

    def start(self) -> None:
        """Start the thread, if it does not run."""
        if self._is_alive or self._is_refused or self._ending.is_set():
            return
        self._is_wanted = self._is_alive = True
        try:
            # A bare one: `Thread.start` waits for the thread, and instrumentations wrap it.
            start_new_thread(self._run, ())
        except RuntimeError:  # out of threads, or the interpreter is shutting down
            self._is_alive = False

    def end(self, timeout_seconds: float) -> None:
        """Have it send what is due, for so long at most, and end. Does not wait."""
        self._deadline_monotonic_seconds = time.monotonic() + timeout_seconds
        self._ending.set()

    def stop(self, timeout_seconds: float) -> bool:
        """`end`, and wait. True if it has ended; what was not sent stays with the cursor.

        Where `start` could start no thread, what is due is sent on the calling one.
        """
        if not self._is_wanted:
            return True
        if self._deadline_monotonic_seconds is None:
            self.end(timeout_seconds)
        deadline = self._deadline_monotonic_seconds or 0.0
        if not self._post.acquire(timeout=max(deadline - time.monotonic(), 0.001)):
            return False
        try:
            if not self._is_finished:
                self._finish()
            return True
        finally:
            self._post.release()

    # --- fork --------------------------------------------------------------------------------

    def pause(self, timeout_seconds: float) -> bool:
        """Close the database, and keep it closed; False if it is busy for longer."""
        return self._dispatch.store.hold(timeout_seconds)

    def resume(self) -> None:
        """After a `pause` that returned True."""
        self._dispatch.store.let_go()

    def start_over(self, *, safe: bool) -> None:
        """In the child. Its thread starts with the next `start`; not where `pause` returned False:
        the database could be damaged by opening it here. The parent goes on sending."""
        if not safe:
            # For good: a grandchild has the same file locks from before the fork as this child.
            forks.leak(self._dispatch)
            self._is_refused = True
        self._begin()

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        with self._post:
            try:
                self._prepare()
                if self._is_finished:
                    return
                while not self._ending.is_set():
                    self._ending.wait(self._round(None))
                self._finish()
            finally:
                self._is_alive = False

    def _round(self, deadline_monotonic_seconds: float | None) -> float:
        """Have the dispatch work once; seconds until the next time."""
        unavailable, self._unavailable = self._unavailable, 0
        try:
            return self._dispatch.work(deadline_monotonic_seconds)
        except StoreUnavailable as error:
            self._unavailable = unavailable + 1
            _logger.debug("flujo-otel: the forwarder waits for the database: %s", error)
            if self._unavailable == _UNAVAILABLE_SAID:
                self._say(str(error))
            return _STORE_RETRY_SECONDS
        except StoreError as error:
            self._say(str(error))
        except Exception as error:
            self._dispatch.note_fault(f"a fault of flujo-otel: {type(error).__name__}: {error}")
            if not report(f"forwarding to {self.destination.name}", error):
                raise
        return _FAULT_SECONDS

    def _finish(self) -> None:
        """What is due, until the deadline or the first failure; then everything is let go."""
        self._is_finished = True
        deadline = self._deadline_monotonic_seconds or 0.0
        while time.monotonic() < deadline and not self._dispatch.is_waiting:
            if self._round(deadline) > 0:
                break
        with guarded(f"ending the forwarder to {self.destination.name}"):
            try:
                self._dispatch.finish()
            except StoreError as error:
                _logger.debug("flujo-otel: the forwarder keeps its lease: %s", error)

    def _say(self, message: str) -> None:
        self._dispatch.note_fault(message)
        if message not in self._said:
            self._said.add(message)
            _logger.warning("flujo-otel: nothing is sent to %s: %s", self.destination.name, message)
