"""The one place that names a backend; each is imported when it is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flujo_otel.errors import NoDatabase
from flujo_otel.settings import ARGUMENT, Settings, load
from flujo_otel.spanstore.kind import FileKind, kind_of
from flujo_otel.spanstore.location import Location, path_of, resolve

if TYPE_CHECKING:  # ports: who asks for one knows it
    from flujo_otel.spanstore.api import SpanWriter, TraceReader
    from flujo_otel.spanstore.backlog import CollectorStore
    from flujo_otel.spanstore.changes import ChangeFeed
    from flujo_otel.spanstore.destinations import DestinationStore
    from flujo_otel.spanstore.diagnosis import Diagnostician
    from flujo_otel.spanstore.flujo.reader import FlujoReader
    from flujo_otel.spanstore.maintenance import Maintenance
    from flujo_otel.spanstore.runlog import RunLog
    from flujo_otel.spanstore.tracelog import TraceLog

_NOTHING_OF_OURS = (FileKind.MISSING, FileKind.EMPTY, FileKind.FLUJO)


def open_writer(
    db: str | Path | None = None,
    settings: Settings | None = None,
    *,
    busy_timeout_seconds: float | None = None,
) -> SpanWriter:
    """This process's way into our file, which its first write makes where it is missing.

    `db` names the file before all settings. `busy_timeout_seconds`: how long a write waits for
    another process's before StoreUnavailable; None: the backend's own. Raises SettingsError.
    """
    settings = _settings(db, settings)
    from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter

    return SQLiteSpanWriter(
        path_of(settings),
        durable=settings.durable,
        busy_timeout_seconds=busy_timeout_seconds,
    )


def open_collector_store(
    db: str | Path | None = None,
    settings: Settings | None = None,
    *,
    busy_timeout_seconds: float | None = None,
) -> CollectorStore:
    """The same for a process that receives others' spans and does nothing else: it may use more
    memory, hold the lock for longer, and keep requests as they came. Raises SettingsError."""
    settings = _settings(db, settings)
    from flujo_otel.spanstore.sqlite.backlog import SQLiteCollectorStore
    from flujo_otel.spanstore.sqlite.tuning import COLLECTOR

    return SQLiteCollectorStore(
        path_of(settings),
        durable=settings.durable,
        busy_timeout_seconds=busy_timeout_seconds,
        tuning=COLLECTOR,
        service="",
    )


def open_reader(db: str | Path | None = None, settings: Settings | None = None) -> TraceReader:
    """Our runs and flujo's own as one; a run in both is shown once, from ours.

    Raises SettingsError; NoDatabase where there is neither our file nor flujo's, or where the file
    that was asked for by name is missing; ForeignDatabase.
    """
    location = resolve(_settings(db, settings))
    ours = _reader_of_ours(location.path)
    is_asked_for = location.origin == ARGUMENT and location.flujo_path != location.path
    if ours is None and is_asked_for:
        raise NoDatabase(_nothing_there(location))
    flujo = _reader_of_flujo(location.flujo_path)
    if ours is not None and flujo is not None:
        from flujo_otel.spanstore.merged import MergedReader

        return MergedReader(ours, flujo)
    only = ours or flujo
    if only is None:
        raise NoDatabase(_nothing_there(location))
    return only


def open_maintenance(db: str | Path | None = None, settings: Settings | None = None) -> Maintenance:
    """Upkeep of our file alone: flujo's own is never altered.

    Raises SettingsError; NoDatabase where our file does not exist; ForeignDatabase.
    """
    path = _our_file(db, settings)
    from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance

    return SQLiteMaintenance(path)


def open_diagnostician(
    db: str | Path | None = None, settings: Settings | None = None
) -> Diagnostician:
    """What is wrong with our file, beyond its health. Raises as `open_maintenance` does."""
    path = _our_file(db, settings)
    from flujo_otel.spanstore.sqlite.diagnosis import SQLiteDiagnostician

    return SQLiteDiagnostician(path)


def open_change_feed(db: str | Path | None = None, settings: Settings | None = None) -> ChangeFeed:
    """What changes in our file, for live views: flujo's own has no change sequence.

    Raises SettingsError; NoDatabase where our file does not exist; ForeignDatabase.
    """
    path = _our_file(db, settings)
    from flujo_otel.spanstore.sqlite.changes import SQLiteChangeFeed

    return SQLiteChangeFeed(path)


def open_destinations(
    db: str | Path | None = None,
    settings: Settings | None = None,
    *,
    read_only: bool = False,
    busy_timeout_seconds: float | None = None,
) -> DestinationStore:
    """A forwarder's way into our file, which its first call makes where it is missing.

    `read_only`: the first call raises NoDatabase instead. Raises SettingsError.
    """
    from flujo_otel.spanstore.sqlite.destinations import SQLiteDestinations

    return SQLiteDestinations(
        path_of(_settings(db, settings)),
        read_only=read_only,
        busy_timeout_seconds=busy_timeout_seconds,
    )


def open_run_log(db: str | Path | None = None, settings: Settings | None = None) -> RunLog:
    """The way in and out for finished runs, steps and trace trees. Raises SettingsError."""
    settings = _settings(db, settings)
    from flujo_otel.spanstore.sqlite.runlog import SQLiteRunLog

    location = resolve(settings)
    return SQLiteRunLog(location.path, durable=settings.durable, flujo_path=location.flujo_path)


def open_trace_log(
    db: str | Path | None = None, settings: Settings | None = None, *, in_memory: bool = False
) -> TraceLog:
    """The way in and out for X-Ray's traces; `in_memory`: a database of its own, nowhere on disk.

    Raises SettingsError.
    """
    settings = _settings(db, settings)
    from flujo_otel.spanstore.sqlite.tracelog import SQLiteTraceLog

    path = None if in_memory else path_of(settings)
    return SQLiteTraceLog(path, durable=settings.durable)


def _settings(db: str | Path | None, settings: Settings | None) -> Settings:
    if settings is None:
        return load(db=db)
    if db is None:
        return settings
    return replace(settings, db=str(db), origins={**settings.origins, "db": ARGUMENT})


def _our_file(db: str | Path | None, settings: Settings | None) -> Path:
    """Which is there, and ours; raises NoDatabase where it is not."""
    location = resolve(_settings(db, settings))
    if kind_of(location.path) in _NOTHING_OF_OURS:
        raise NoDatabase(_nothing_there(location))
    return location.path


def _reader_of_ours(path: Path) -> TraceReader | None:
    if kind_of(path) in _NOTHING_OF_OURS:
        return None
    from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader

    return SQLiteTraceReader(path)


def _reader_of_flujo(path: Path | None) -> FlujoReader | None:
    if path is None:
        return None
    from flujo_otel.spanstore.flujo.reader import FlujoReader

    return FlujoReader(path)


def _nothing_there(location: Location) -> str:
    named = "" if location.origin == "default" else f", named by {location.origin}"
    return f"No database here (looked for {location.path}{named})."
