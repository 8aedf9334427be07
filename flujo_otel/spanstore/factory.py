"""The one place that names a backend; each is imported when it is wanted."""

from pathlib import Path

from flujo_otel.errors import NoDatabase
from flujo_otel.settings import Settings, load
from flujo_otel.spanstore.api import Maintenance, SpanWriter, TraceReader
from flujo_otel.spanstore.kind import FileKind, kind_of
from flujo_otel.spanstore.location import Location, resolve

_NOTHING_OF_OURS = (FileKind.MISSING, FileKind.EMPTY, FileKind.FLUJO)


def open_writer(db: str | Path | None = None, settings: Settings | None = None) -> SpanWriter:
    """This process's way into our file, which its first write makes where it is missing.

    `db` names the file before all settings. Raises SettingsError.
    """
    settings = settings or load(db=db)
    from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter

    return SQLiteSpanWriter(resolve(settings).path, durable=settings.durable)


def open_reader(db: str | Path | None = None, settings: Settings | None = None) -> TraceReader:
    """Our runs and flujo's own as one; a run in both is shown once, from ours.

    Raises SettingsError; NoDatabase where there is neither our file nor flujo's; ForeignDatabase.
    """
    location = resolve(settings or load(db=db))
    readers = _readers(location)
    if not readers:
        raise NoDatabase(_nothing_there(location))
    if len(readers) == 1:
        return readers[0]
    from flujo_otel.spanstore.merged import MergedReader

    return MergedReader(*readers)


def open_maintenance(db: str | Path | None = None, settings: Settings | None = None) -> Maintenance:
    """Upkeep of our file alone: flujo's own is never altered.

    Raises SettingsError; NoDatabase where our file does not exist; ForeignDatabase.
    """
    location = resolve(settings or load(db=db))
    if kind_of(location.path) in _NOTHING_OF_OURS:
        raise NoDatabase(_nothing_there(location))
    from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance

    return SQLiteMaintenance(location.path)


def _readers(location: Location) -> list[TraceReader]:
    readers: list[TraceReader] = []
    if kind_of(location.path) not in _NOTHING_OF_OURS:
        from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader

        readers.append(SQLiteTraceReader(location.path))
    if location.flujo_path is not None:
        from flujo_otel.spanstore.flujo.reader import FlujoReader

        readers.append(FlujoReader(location.flujo_path))
    return readers


def _nothing_there(location: Location) -> str:
    named = "" if location.origin == "default" else f", named by {location.origin}"
    return f"No database here (looked for {location.path}{named})."
