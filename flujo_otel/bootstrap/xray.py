"""XRay, for a process that need not have configured anything."""

import os
from collections.abc import Callable
from threading import Lock

from flujo_otel import process, settings
from flujo_otel.bootstrap.program import configure
from flujo_otel.guard import guarded
from flujo_otel.spanstore.location import resolve
from flujo_otel.xray import XRay, host
from flujo_otel_exporter import children, registry
from flujo_otel_exporter import exit as process_exit
from flujo_otel_exporter.writer import StoreWriter

__all__ = ["XRay"]


class _Process:
    """See `xray.host.Host`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._watches_children = False

    def ensure(self) -> None:
        """Configure, unless something writes spans to a database of ours already: whoever wired
        that chose the file."""
        if not registry.writers():
            with self._lock:
                if not registry.writers():
                    # The first trace may be opened inside a run of flujo's: a runner that is
                    # patched while it runs would show half of it.
                    configure(flujo=False)

    def flush(self, timeout_seconds: float) -> bool:
        with guarded("flushing X-Ray traces"):
            return all(writer.flush(timeout_seconds) for writer in registry.writers().values())
        return False

    def count_loss(self, reason: str, detail: str, count: int) -> None:
        with guarded("counting traces that were not recorded"):
            _writer().count_loss(process.current().command, reason, detail, count)

    def at_exit(self, finish: Callable[[], None]) -> None:
        process_exit.register(finish)
        if not self._watches_children:
            self._watches_children = True
            children.watch()
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=children.watch)


def _writer() -> StoreWriter:
    """To the database that the settings name; a process that chose another by an argument writes to
    that one alone."""
    chosen = settings.load()
    known = registry.writers()
    first = next(iter(known.values()), None)
    return known.get(resolve(chosen).path) or first or registry.writer_for(chosen)


host.run_in(_Process())
