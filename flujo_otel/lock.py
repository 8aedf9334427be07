"""A lock on which neither a signal's handler, nor a finalizer, nor a forked child hangs."""

import os
from threading import RLock
from types import TracebackType


class SurvivingLock:
    """For a module to keep, as long as the process lives. Reentrant: what interrupts the thread
    that has it, a handler or a `__del__` that the garbage collector runs, gets in. In a forked
    child it is free, but for the forking thread, which keeps it there too.

    `with lock as is_nested:` says whether the thread had it already.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._depth = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_over)

    def __enter__(self) -> bool:
        self._lock.acquire()
        self._depth += 1
        return self._depth > 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._depth -= 1
        self._lock.release()

    def _start_over(self) -> None:
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:  # of a thread that the child has not got
            self._lock = RLock()
            self._depth = 0
