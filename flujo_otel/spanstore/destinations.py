"""The port that a forwarder works on: cursors over the change sequence, one for each destination.

A cursor is a position, and a lease: who may send from it, and until when. Times are Unix time in
nanoseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol


class CursorState(StrEnum):
    """How sending to a destination goes."""

    OK = "ok"
    RETRYING = "retrying"
    """The backend cannot be reached, or is overloaded: tried again, ever more slowly."""
    PAUSED = "paused"
    """The backend refuses us: tried again once a minute, until its settings are right."""


class DueSpan(NamedTuple):
    """A span to send."""

    seq: int
    """Its place in the order of sending."""
    resource_id: int
    scope_id: int
    otlp: bytes
    """The OTLP Span message."""
    fault: str = ""
    """Why it cannot be sent: its row is broken. There is no `otlp` then."""


class DuePage(NamedTuple):
    """Spans in the order of `seq`, and the position of whoever has sent them all."""

    spans: Sequence[DueSpan]
    position: int
    is_last: bool
    """Whether nothing was due beyond it."""


class Described(NamedTuple):
    """The OTLP message of a resource or scope, with what stands beside it
    (`wire.unknown_fields`), and its schema_url."""

    otlp: bytes
    schema_url: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which spans a destination gets; an empty part lets all through, all parts must hold."""

    services: Sequence[str] = ()
    """`service.name` of the resource, one of these."""
    names: Sequence[str] = ()
    """The span's name, matching one of these GLOB patterns (`*`, `?`, `[...]`)."""
    statuses: Sequence[str] = ()
    """`completed`, `failed` or `paused`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Stored spans that are sent once; None: all."""

    run_id: str | None = None
    since_ns: int | None = None
    """Only spans that started since."""
    where: Filter = field(default_factory=Filter)


class Progress(NamedTuple):
    """What a send came to: where the cursor stands now, and what is added to its counts."""

    position: int
    sent: int = 0
    rejected: int = 0
    words: str = ""
    """Why the backend rejected them, as it said it; or why they cannot be sent at all."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """One destination as the store knows it."""

    destination: str
    endpoint: str
    position: int
    lag: int
    """Spans that are due; at most LAG_COUNTED are counted."""
    state: CursorState
    sent: int
    rejected: int
    rejection: str
    """What the backend said of the last that it rejected; or why that could not be sent at all."""
    rejected_at_ns: int | None
    error: str
    """The last error; it may be over."""
    error_at_ns: int | None
    sent_at_ns: int | None
    holder: str | None
    """The process that sends just now, as `host pid`."""


LAG_COUNTED = 100_000


class DestinationStore(Protocol):
    """One forwarder's way to its cursor and to what is due. Used by one thread at a time.

    All raise StoreUnavailable for what may pass, and ForeignDatabase.
    """

    def join(self, destination: str, endpoint: str, since_ns: int) -> bool:
        """Enter a destination; True where it was not as here. A new one begins with the spans that
        started since `since_ns`, one that is known goes on where it stopped. Cheap where there is
        nothing to change, so that a database that was replaced is noticed."""
        ...

    def lease(self, destination: str, token: str, seconds: float) -> int | None:
        """The position, where the caller may send for so long; None where another one may.

        `token` tells the callers of one process apart. Whoever holds the lease renews it so.
        """
        ...

    def advance(self, destination: str, token: str, progress: Progress) -> bool:
        """Note what was sent; False, and nothing noted, where the lease is another's by now."""
        ...

    def fail(self, destination: str, token: str, state: CursorState, error: str) -> bool:
        """Note an error, the position unmoved; False as for `advance`."""
        ...

    def release(self, destination: str, token: str) -> None:
        """Give the lease back, if the caller has it."""
        ...

    def newest(self) -> int:
        """The last change number. Cheap."""
        ...

    def page(self, after: int, where: Filter, most_spans: int, most_bytes: int) -> DuePage:
        """What is due after a position: ended spans whose OTLP content changed since. At least one,
        where there is any, however large. One whose row is broken comes with its `fault`."""
        ...

    def selected(self, which: Selection, after: int, most_spans: int, most_bytes: int) -> DuePage:
        """Spans that are stored, whatever the cursors say; begins with `after` 0."""
        ...

    def count_selected(self, which: Selection) -> int:
        """How many spans `selected` gives in all its pages."""
        ...

    def resource(self, resource_id: int) -> Described:
        """The resource of a `DueSpan`; an empty one where it is not stored."""
        ...

    def scope(self, scope_id: int) -> Described:
        """The same of its scope."""
        ...

    def forget(self, destination: str) -> bool:
        """Drop a destination, its position and its counts; False, and nothing dropped, where it is
        not known, or another process may send to it."""
        ...

    def cursors(self) -> Sequence[Cursor]:
        """Every destination, by name."""
        ...

    def close(self) -> None:
        """Let go of the database; the next call opens it again."""
        ...

    def hold(self, timeout_seconds: float) -> bool:
        """From any thread: close it, and have calls wait until `let_go`; False, and nothing held,
        where the one that is under way takes longer. For a fork."""
        ...

    def let_go(self) -> None:
        """After a `hold` that returned True."""
        ...
