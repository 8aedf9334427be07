"""SIGINT and SIGTERM as a wish to stop."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class StopSignals:
    """`install` in the main thread; elsewhere it does nothing, and stopping is the caller's."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """From now on the first of these signals calls `stop`, the second does what it did before:
        whoever does not want to wait for the end of things asks twice."""
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
        self.remove()
        self._stop()
