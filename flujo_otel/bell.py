"""Wakes the writer, from anywhere."""

from threading import Lock


class Bell:
    """One thread waits, any may ring; rings before the wait are kept, as one.

    A bare lock used as a binary semaphore: `ring` takes nothing that an interrupted frame of the
    same thread may hold, so a signal handler can call it. (`threading.Event.set` can deadlock
    there: it takes the lock of its condition.)
    """

    def __init__(self) -> None:
        self._silence = Lock()
        self._silence.acquire()

    def ring(self) -> None:
        try:
            self._silence.release()
        except RuntimeError:
            return  # It rings already.

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it rang within `timeout_seconds`."""
        return self._silence.acquire(timeout=max(timeout_seconds, 0))
