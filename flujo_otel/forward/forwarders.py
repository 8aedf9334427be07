"""The forwarders of one process, one for each destination."""

import time
from collections.abc import Callable, Iterable

from flujo_otel import forks
from flujo_otel.forward.destination import Destination
from flujo_otel.forward.dispatch import ForwarderStatus
from flujo_otel.forward.forwarder import Forwarder, nothing
from flujo_otel.guard import guarded
from flujo_otel.spanstore.destinations import DestinationStore


class Forwarders:
    """All of them at once; each is on its own. Raises MissingExtra and SettingsError when made."""

    def __init__(
        self,
        destinations: Iterable[Destination],
        open_store: Callable[[], DestinationStore],
        *,
        prepare: Callable[[], None] = nothing,
    ) -> None:
        self._all = [Forwarder(each, open_store, prepare=prepare) for each in destinations]
        self._paused: list[Forwarder] = []

    @property
    def destinations(self) -> list[Destination]:
        """Where they send to."""
        return [each.destination for each in self._all]

    def start(self) -> None:
        """Start those that do not run. Cheap where all do."""
        for each in self._all:
            if not each.is_alive:
                each.start()

    def stop(self, timeout_seconds: float) -> bool:
        """Send what is due, for so long at most in all, and end. True if all have ended."""
        deadline = time.monotonic() + timeout_seconds
        for each in self._all:
            each.end(timeout_seconds)
        ended = [each.stop(deadline - time.monotonic()) for each in self._all]
        return all(ended)

    def statuses(self) -> dict[str, ForwarderStatus]:
        """What each has done so far, by the destination's name. Cheap; from any thread."""
        return {each.destination.name: each.status() for each in self._all}

    def pause(self) -> bool:
        """Before a fork: every database closed; False if one is busy for too long."""
        self._paused = []
        deadline = time.monotonic() + forks.PAUSE_SECONDS
        for each in self._all:
            if not each.pause(deadline - time.monotonic()):
                self.resume()
                return False
            self._paused.append(each)
        return True

    def resume(self) -> None:
        """After a `pause` that returned True."""
        paused, self._paused = self._paused, []
        for each in paused:
            each.resume()

    def start_over(self, *, safe: bool) -> None:
        """In the child of a fork: nothing is inherited; threads start with the next `start`."""
        self._paused = []
        for each in self._all:
            with guarded("starting a forwarder over"):
                each.start_over(safe=safe)
