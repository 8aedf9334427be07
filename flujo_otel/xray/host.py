"""What the SDK asks of the process that it runs in. Nothing, until somebody wires it: the root
facade does (`flujo_otel.bootstrap.xray`)."""

import atexit
from collections.abc import Callable
from typing import Protocol


class Host(Protocol):
    """None of these raise or wait for long."""

    def ensure(self) -> None:
        """See that what is recorded through the global tracer provider is kept somewhere."""
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
