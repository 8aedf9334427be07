"""The port for the upkeep of a database: its health, and runs that are deleted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from flujo_otel.model import Loss, Process
from flujo_otel.spanstore.api import BacklogSize


@dataclass(frozen=True, slots=True)
class Health:
    """What the database says of itself."""

    path: str
    size_bytes: int
    wal_bytes: int
    schema_version: int
    sqlite_version: str
    run_count: int
    span_count: int
    change_seq: int
    integrity: str
    """`ok`, or what integrity_check said."""
    writers: Sequence[Process]
    """Processes that have it open for writing and are alive."""
    backlog: BacklogSize
    losses: Sequence[Loss]
    faults: Sequence[str]
    """Known faults of this SQLite library, one sentence each."""
    facts: dict[str, Any]
    """Other settings of the file by name (journal_mode, page_size, ...)."""


class Deleted(NamedTuple):
    """What became of a run that was to be deleted."""

    run_id: str
    was_there: bool


class Maintenance(Protocol):
    """The upkeep of one database, whoever else has it open."""

    def health(self, *, check_integrity: bool = True) -> Health:
        """What the database says of itself. `check_integrity` False: not all of it is read for
        that, and `integrity` is empty. Raises NoDatabase, ForeignDatabase, StoreUnavailable, and
        DamagedDatabase where not even this much can be read."""
        ...

    def size_bytes(self) -> int:
        """Of the database, whichever file its pages are in just now."""
        ...

    def delete_runs(self, run_ids: Iterable[str]) -> Iterator[Deleted]:
        """Delete each run with all of its spans, steps and blobs, one by one as they are asked for,
        then give the space back. A span of another run stays, below whatever it was. What is left
        of a run where that is interrupted is a run with fewer spans."""
        ...
