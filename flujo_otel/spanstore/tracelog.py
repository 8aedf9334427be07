"""The port for traces that are saved and read as X-Ray does it: one call, and it is there."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from flujo_otel.model import Batch, Loss, Run, Span


class Recorded(NamedTuple):
    """A run with its roots and steps in order of start; its other spans are left out."""

    run: Run
    spans: Sequence[Span]


class TraceLog(Protocol):
    """May be called from any thread, and from several at once.

    Every method raises StoreUnavailable (retryable; nothing was written) or ForeignDatabase.
    """

    def write(self, batch: Batch) -> None:
        """Commit all of `batch`, or raise MalformedTrace and say what is wrong with which span."""
        ...

    def read(self, run_id: str) -> Recorded | None:
        """The run of this id; None where there is none."""
        ...

    def newest(self, limit: int, statuses: Sequence[str] | None) -> list[Recorded]:
        """The newest `limit` runs of these statuses (None: of any), newest first."""
        ...

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """Add to the ledger."""
        ...

    @property
    def connection(self) -> sqlite3.Connection:
        """With X-Ray's own tables as views, deleting from which deletes runs."""
        ...

    def close(self) -> None:
        """Let go of the database; the next call opens it again. One in memory is gone then."""
        ...
