"""One writer for each database in a process, however many exporters and processors feed it."""

from dataclasses import replace
from pathlib import Path

from flujo_otel.lock import SurvivingLock
from flujo_otel.quiet import suppressed
from flujo_otel.settings import Settings
from flujo_otel.spanstore.factory import open_writer
from flujo_otel.spanstore.location import resolve
from flujo_otel_exporter.limits import BUSY_SECONDS, Limits
from flujo_otel_exporter.writer import StoreWriter

_lock = SurvivingLock()
_writers: dict[Path, StoreWriter] = {}


def writer_for(settings: Settings) -> StoreWriter:
    """The process's writer to the database that `settings` names; the first caller's limits hold.

    The database itself is opened, and made if missing, by the first flush. Raises SettingsError.
    """
    with suppressed():
        path = resolve(settings).path
    with _lock:
        if path not in _writers:
            # Resolved once: the working directory may be another by the time of the first flush.
            at_path = replace(settings, db=str(path))
            _writers[path] = StoreWriter(
                lambda: open_writer(settings=at_path, busy_timeout_seconds=BUSY_SECONDS),
                Limits.of(settings),
            )
        return _writers[path]


def writers() -> dict[Path, StoreWriter]:
    """Those that the process has, by their databases, the first one first."""
    return _writers.copy()
