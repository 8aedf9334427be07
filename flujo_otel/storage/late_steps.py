"""Records of steps that are written a little later, many at once, off the event loop.

Only of runs whose state is saved here: nothing goes on from these records, and all that they say is
in the state too. To write each by itself would double what a step costs.
"""

import asyncio
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from flujo_otel import forks
from flujo_otel.errors import FlujoOtelError
from flujo_otel.guard import guarded
from flujo_otel.spanstore.runlog import RunLog, StepResult
from flujo_otel.storage import rows
from flujo_otel.storage.event_loop import in_thread

_logger = logging.getLogger("flujo_otel")

LATE_SECONDS: Final = 0.1
_MOST: Final = 256

LateStep = StepResult | dict[str, Any]
"""A record, or what it is to be made of (`fixed_step`)."""


class LateSteps:
    """Written LATE_SECONDS after the first was added, before anything is read, and at exit. In a
    forked child there are none: they are the parent's to write."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._start_empty()
        forks.join(self)

    def _start_empty(self) -> None:
        self._steps: list[LateStep] = []
        self._lock = Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: Callable[[], asyncio.AbstractEventLoop | None] = lambda: None
        """The one that has the timer, while it lives."""
        # Not at __del__: an exit must write them too, and does not wait for the event loop.
        self._at_last = weakref.finalize(self, _at_last, self._log, self._steps, self._lock)

    def add(self, step: LateStep) -> None:
        """To be called on an event loop."""
        loop = asyncio.get_running_loop()
        self._steps.append(step)
        if len(self._steps) == _MOST:
            self._begin(loop)
        elif self._timer is None or self._loop() is not loop:  # that one may never run again
            self._loop = weakref.ref(loop)
            self._timer = loop.call_later(LATE_SECONDS, self._begin, loop)

    async def written(self) -> None:
        """Wait until all are written. Raises StoreUnavailable."""
        if self._steps:
            await in_thread(self.write)

    def write(self) -> None:
        """The same, on the caller's time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _write(self._log, self._steps, self._lock)

    # --- fork --------------------------------------------------------------------------------

    def pause(self) -> bool:
        """See `forks.Participant.pause`: the file is the log's to close."""
        return True

    def resume(self) -> None:
        """See `forks.Participant.resume`."""

    def start_over(self, *, safe: bool) -> None:
        """See `forks.Participant.start_over`. The lock may be held by a thread that is not here."""
        self._at_last.detach()
        self._start_empty()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._lock.locked():  # as long as a write waits for the database, no further thread does
            self._timer = loop.call_later(LATE_SECONDS, self._begin, loop)
            return
        with suppress(RuntimeError):  # this loop is ending: the exit, or the next call, writes them
            loop.run_in_executor(None, _quietly, self._log, self._steps, self._lock)


def _quietly(log: RunLog, steps: list[LateStep], lock: Lock) -> None:
    # What could not be written stays, and is written with the next or with the run's end, which
    # says so where it still cannot be.
    with guarded("writing records of steps"):
        _write(log, steps, lock)


def _at_last(log: RunLog, steps: list[LateStep], lock: Lock) -> None:
    with guarded("writing the last records of steps"):
        try:
            _write(log, steps, lock)
        except FlujoOtelError as error:
            _logger.warning("flujo-otel: %d records of steps are lost: %s", len(steps), error)


def _write(log: RunLog, steps: list[LateStep], lock: Lock) -> None:
    with lock:
        some = steps[:]
        if some:
            log.save_step_results([_record(step) for step in some])
            del steps[: len(some)]


def _record(step: LateStep) -> StepResult:
    return rows.step_result(step) if isinstance(step, dict) else step
