"""Where long work is done, so that the event loop has time for everybody else."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, NamedTuple, TypeVar

from flujo_otel.collector.answers import stopping

_T = TypeVar("_T")
_NAME: Final = "flujo-otel-decode"


class _Job(NamedTuple):
    work: Callable[[], Any]
    outcome: "asyncio.Future[Any]"
    """Of the event loop's."""


class DecodingThread:
    """Does one piece of work after the other, beside one event loop. It starts with the first.

    A daemon: an executor's thread is waited for where the process ends, and nobody can interrupt
    the one that unpacks 60 MB of JSON.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._outcomes: set[asyncio.Future[Any]] = set()
        """That are waited for. For the event loop alone, as all but `_run` is."""
        self._is_started = False
        self._is_ended = False

    async def run(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises. Raises Refusal where `end` comes first."""
        if self._is_ended:
            raise stopping()
        if not self._is_started:
            Thread(target=self._run, name=_NAME, daemon=True).start()
            self._is_started = True
        outcome: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._outcomes.add(outcome)
        self._jobs.put(_Job(work, outcome))
        try:
            return await outcome
        finally:
            self._outcomes.discard(outcome)

    def end(self) -> None:
        """Whoever waits for work waits no longer, however far it is."""
        self._is_ended = True
        self._jobs.put(None)
        for outcome in self._outcomes:
            if not outcome.done():
                outcome.set_exception(stopping())

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.outcome.done():
                _do(job)
            del job  # or the last request's body would be kept until the next


def _do(job: _Job) -> None:
    result, error = None, None
    try:
        result = job.work()
    except Exception as raised:
        error = raised
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        job.outcome.get_loop().call_soon_threadsafe(_settle, job.outcome, result, error)


def _settle(outcome: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if outcome.done():
        return
    if error is None:
        outcome.set_result(result)
    else:
        outcome.set_exception(error)
