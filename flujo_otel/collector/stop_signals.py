"""SIGINT and SIGTERM as a wish to stop."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class StopSignals:
    """`install` in the main thread; elsewhere it does nothing, and stopping is the caller's."""

    def __init__(self, stop: Callable[[], None]) -> None:
        """`stop` is called amid whatever the main thread is doing: it takes no lock."""
        self._stop = stop
        self._before: dict[int, Any] = {}
        self._came_once: set[int] = set()

    def install(self) -> None:
        """From now on the first of these signals calls `stop`, and one that comes again does what
        it did before: whoever does not want to wait for the end of things asks twice. One of each
        is no asking twice: a keyboard and a supervisor may both stop the same process."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._came)

    def remove(self) -> None:
        """As it was before."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if number not in self._came_once:
            is_first = not self._came_once
            self._came_once.add(number)
            if is_first:
                self._stop()
            return
        # This one alone: where the other has come too and waits for its turn, Python prints an
        # OSError about a signal whose handler was taken from it meanwhile.
        signal.signal(number, self._before[number])
        signal.raise_signal(number)
