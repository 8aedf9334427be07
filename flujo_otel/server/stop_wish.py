"""That it is time to stop."""

import time
from math import inf
from typing import Final

from flujo_otel.bell import Bell

_LOOK_SECONDS: Final = 0.2
"""A signal interrupts the wait only where it comes to this thread, and once this thread sleeps: one
that the system gave to another thread, or that came in the moment before, is seen at the next look.
Of 180 collectors that were stopped as soon as they were ready, one would have slept for ever."""


class StopWish:
    """Made by a signal, or by a thread that serves no more; waited for by one thread. No Event:
    where a signal's handler comes amid its `wait`, in the same thread, `set` waits for ever."""

    def __init__(self) -> None:
        self._bell = Bell()
        self._is_made = False

    def make(self) -> None:
        """From anywhere."""
        self._is_made = True
        self._bell.ring()

    def wait(self, timeout_seconds: float | None) -> bool:
        """Whether it has been made by then; None: for as long as it takes."""
        deadline = inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not self._is_made and (left_seconds := deadline - time.monotonic()) > 0:
            self._bell.wait(min(left_seconds, _LOOK_SECONDS))
        return self._is_made
