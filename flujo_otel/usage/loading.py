"""An import that no fork should cut in two."""

import os
import threading
from threading import RLock
from types import TracebackType
from typing import Final

FORK_WAITS_SECONDS: Final = 5.0
"""Ten times what the import takes. Without a bound a fork hung for ever where what is imported
waited for a lock that the forking thread had already taken."""


class Loading:
    """`with loading as is_possible:` around the import, by one thread at a time. A fork waits until
    it is done: the child of a process that is forked in the middle of an import hangs where it
    imports the same. Where a fork cannot wait any longer `is_possible` is False in the child.
    """

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

    def __enter__(self) -> bool:
        self._lock.acquire()
        return self._is_possible

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

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
