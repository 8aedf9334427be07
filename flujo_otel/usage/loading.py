"""An import that no fork should cut in two."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Final

FORK_WAITS_SECONDS: Final = 5.0
"""Ten times what the import takes. Without a bound a fork hung for ever where what is imported
waited for a lock that the forking thread had already taken."""


class Loading:
    """A fork waits until it is done: the child of a process that is forked in the middle of an
    import hangs where it imports the same."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._is_possible = True
        self._forking = threading.local()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._pause,
                after_in_parent=self._resume,
                after_in_child=self._start_over,
            )

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """`with loading.alone() as is_possible:` around the import, by one thread at a time. False
        in a child whose fork could wait no longer."""
        with self._lock:
            yield self._is_possible

    def _pause(self) -> None:
        self._forking.is_paused = self._lock.acquire(timeout=FORK_WAITS_SECONDS)

    def _resume(self) -> None:
        if self._forking.is_paused:
            self._lock.release()

    def _start_over(self) -> None:
        if self._forking.is_paused:
            self._lock.release()
        else:
            self._lock = RLock()
            self._is_possible = False
