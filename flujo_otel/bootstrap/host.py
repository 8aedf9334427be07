"""What producers ask of their process, where it need not have configured anything."""

import os
from collections.abc import Callable
from pathlib import Path

from opentelemetry import trace

from flujo_otel import host, process, settings
from flujo_otel.bootstrap.program import configure, configuring
from flujo_otel.guard import guarded
from flujo_otel.spanstore.location import resolve
from flujo_otel_exporter import children, process_exit, registry
from flujo_otel_exporter.writer import StoreWriter


class _Process:
    """See `host.Host`."""

    def __init__(self) -> None:
        self._watches_children = False
        self._seen_to: trace.TracerProvider | None = None
        """The provider that was configured last; or cannot be, being none of the SDK's, which was
        said."""
        self._ledger: StoreWriter | None = None
        """A writer that was made to count losses: no spans come to it by that."""

    def ensure(self) -> None:
        """Configure, unless something writes spans to a database of ours already: whoever wired
        that, or is at it, chose the file."""
        if self._is_wired():
            return
        with configuring as is_nested:
            pass  # another thread may have been at it
        if is_nested or self._is_wired():
            return
        # The first trace may be opened inside a run of flujo's: a runner that is patched while it
        # runs would show half of it.
        configure(_file(), flujo=False)
        provider = trace.get_tracer_provider()
        if not isinstance(provider, trace.ProxyTracerProvider):
            self._seen_to = provider

    def _is_wired(self) -> bool:
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            return False  # who writes has its spans from a provider that is not the global one
        if provider is self._seen_to:
            return True
        return any(writer is not self._ledger for writer in registry.writers().values())

    def flush(self, timeout_seconds: float) -> bool:
        with guarded("flushing X-Ray traces"):
            return all(writer.flush(timeout_seconds) for writer in registry.writers().values())
        return False

    def count_loss(self, reason: str, detail: str, count: int) -> None:
        with guarded("counting traces that were not recorded"):
            self._writer().count_loss(process.current().command, reason, detail, count)

    def at_exit(self, finish: Callable[[], None]) -> None:
        process_exit.register(finish)
        if not self._watches_children:
            self._watches_children = True
            children.watch()
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=children.watch)

    def _writer(self) -> StoreWriter:
        """To the database that the settings name; a process that chose another by an argument
        writes to that one alone."""
        chosen = settings.load()
        known = registry.writers()
        first = next(iter(known.values()), None)
        if first is None:
            self._ledger = first = registry.writer_for(chosen)
        return known.get(resolve(chosen).path) or first


def _file() -> Path | None:
    """The one that the process writes to already; None: what the settings name."""
    return next(iter(registry.writers()), None)


host.run_in(_Process())
