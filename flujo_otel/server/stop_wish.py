"""That it is time to stop."""

from threading import TIMEOUT_MAX

from flujo_otel.bell import Bell


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
        if not self._is_made:
            self._bell.wait(TIMEOUT_MAX if timeout_seconds is None else timeout_seconds)
        return self._is_made
