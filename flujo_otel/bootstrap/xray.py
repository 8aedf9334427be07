"""XRay, for a process that need not have configured anything."""

import os
from collections.abc import Callable

from opentelemetry import trace

from flujo_otel import process, settings
from flujo_otel.bootstrap.program import configure, configuring
from flujo_otel.guard import guarded
from flujo_otel.spanstore.location import resolve
from flujo_otel.xray import XRay, host
from flujo_otel_exporter import children, process_exit, registry
from flujo_otel_exporter.writer import StoreWriter

__all__ = ["XRay"]


class _Process:
    """See `xray.host.Host`."""

    def __init__(self) -> None:
        self._watches_children = False
        self._foreign: trace.TracerProvider | None = None
        """One that is none of the SDK's, which was said: nothing of it can be kept."""

    def ensure(self) -> None:
        """Configure, unless something writes spans to a database of ours already: whoever wired
        that, or is at it, chose the file."""
        if registry.writers() or trace.get_tracer_provider() is self._foreign:
            return
        with configuring as is_nested:
            pass  # another thread may have been at it
        if is_nested or registry.writers():
            return
        # The first trace may be opened inside a run of flujo's: a runner that is patched while it
        # runs would show half of it.
        configure(flujo=False)
        provider = trace.get_tracer_provider()
        if not registry.writers() and not isinstance(provider, trace.ProxyTracerProvider):
            self._foreign = provider

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
