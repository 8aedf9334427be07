"""What producers ask of the process that they run in. Nothing is done, until somebody wires it: the
root facade does (`flujo_otel.bootstrap.host`), with `XRay` and `TraceManager`."""

import atexit
from collections.abc import Callable
from typing import Protocol


class Host(Protocol):
    """None of these wait for long; none but `ensure` raises."""

    def ensure(self) -> None:
        """See that what is recorded through the global tracer provider is kept somewhere. Raises
        SettingsError."""
        ...

    def flush(self, timeout_seconds: float) -> bool:
        """Whether what was recorded so far is kept by now."""
        ...

    def count_loss(self, reason: str, detail: str, count: int) -> None:
        """Add to the ledger."""
        ...

    def at_exit(self, finish: Callable[[], None]) -> None:
        """Have `finish` called at the end of the process, of a forked child's too."""
        ...


class _Nobody:
    def ensure(self) -> None:
        return

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def count_loss(self, reason: str, detail: str, count: int) -> None:
        return

    def at_exit(self, finish: Callable[[], None]) -> None:
        atexit.register(finish)


_host: Host = _Nobody()


def host() -> Host:
    """The host of this process."""
    return _host


def run_in(new: Host) -> None:
    """Make `new` the host of this process."""
    global _host
    _host = new
