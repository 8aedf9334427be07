"""Every backend of the span store passes this suite. A new one adds itself to BACKENDS."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from flujo_otel.model import Batch, Run, Span, SpanRecord, Step
from flujo_otel.spanstore.api import (
    Root,
    RunFilter,
    SpanWriter,
    TraceReader,
    WriteResult,
)
from flujo_otel.spanstore.changes import ChangeFeed, ChangePage, SpanChange
from flujo_otel.spanstore.maintenance import Deleted, Health
from flujo_otel.spanstore.sqlite.changes import SQLiteChangeFeed
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter

T = TypeVar("T")


class Maintained(Protocol):
    def health(self, *, check_integrity: bool = True) -> Health: ...

    def delete_runs(self, run_ids: Iterable[str]) -> Iterator[Deleted]: ...


@dataclass
class Store:
    """One store, opened as its users open it."""

    make_writer: Callable[[], SpanWriter]
    make_reader: Callable[[], TraceReader]
    maintenance: Maintained
    make_feed: Callable[[], ChangeFeed]
    remove: Callable[[], None]
    """Delete the store, as a person deletes the file."""
    log_can_be_emptied: Callable[[], bool]
    """Whether no reader holds on to an old state."""
    writer: SpanWriter = field(init=False)

    def __post_init__(self) -> None:
        self.writer = self.make_writer()

    def write(self, *records: SpanRecord) -> WriteResult:
        return self.writer.write(Batch(records))

    def changes(self, *records: SpanRecord) -> int:
        """Write, and tell how many rows got a new change number."""
        self.write()
        before = self.change_seq()
        assert [] == list(self.write(*records).rejected)
        feed = self.make_feed()
        page: ChangePage[SpanChange] = ChangePage([], before, is_last=False)
        count = 0
        while not page.is_last:
            page = feed.spans(page.position)
            count += len(page.items)
        feed.close()
        return count

    def run(self, run_id: str) -> Run | None:
        return self._read(lambda reader: reader.get_run(run_id))

    def runs(self, where: RunFilter = RunFilter(), limit: int = 1000) -> list[Run]:  # noqa: B008
        return self._read(lambda reader: reader.list_runs(where, limit))

    def spans(self, run_id: str) -> list[Span]:
        return self._read(lambda reader: list(reader.spans(run_id)))

    def steps(self, run_id: str) -> list[Step]:
        return self._read(lambda reader: reader.steps(run_id))

    def roots(self, run_ids: list[str]) -> dict[str, Root]:
        return self._read(lambda reader: reader.roots(run_ids))

    def filed(self) -> dict[str, list[str]]:
        """Run id to the names of its spans."""
        return {run.run_id: [s.name for s in self.spans(run.run_id)] for run in self.runs()}

    def change_seq(self) -> int:
        return self.maintenance.health(check_integrity=False).change_seq

    def _read(self, read: Callable[[TraceReader], T]) -> T:
        reader = self.make_reader()
        try:
            return read(reader)
        finally:
            reader.close()


def _sqlite(folder: Path) -> Store:
    path = folder / "conformance.db"
    return Store(
        make_writer=lambda: SQLiteSpanWriter(path),
        make_reader=lambda: SQLiteTraceReader(path),
        maintenance=SQLiteMaintenance(path),
        make_feed=lambda: SQLiteChangeFeed(path),
        remove=lambda: _removed(path),
        log_can_be_emptied=lambda: _emptied(path),
    )


def _removed(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def _emptied(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        busy, left, moved = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    return not busy and left == moved


BACKENDS = {"sqlite": _sqlite}


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = BACKENDS[request.param](tmp_path)
    yield opened
    opened.writer.close()


@pytest.fixture
def dead_process_writes() -> Callable[..., None]:
    """Write records in a process that is then killed."""

    def write(store: Store, *records: SpanRecord) -> None:
        child = os.fork()
        if child == 0:
            try:
                store.make_writer().write(Batch(records))
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)

    return write
