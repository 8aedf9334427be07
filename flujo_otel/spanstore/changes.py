"""The port for live views: what changed in the store, in order, whichever process wrote it.

A live view is a cursor over the change sequence. It asks for what changed after its position, shows
that, and asks again from the position that the page came with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from flujo_otel.model import Run, Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which spans to tell of; None: all. `run`: a run id, or the beginning of one."""

    run: str | None = None
    status: str | None = None
    name: str | None = None


class SpanChange(NamedTuple):
    """A span as it is since change `change_seq`.

    `content_seq` is the change at which what it says last changed: an earlier one where it only
    moved to another run since.
    """

    change_seq: int
    content_seq: int
    span: Span


class ChangePage(NamedTuple, Generic[T]):
    """What changed up to `position`, oldest change first; perhaps nothing.

    `is_last`: at the time of reading there was nothing after `position`.
    """

    items: Sequence[T]
    position: int
    is_last: bool


class ChangeFeed(Protocol):
    """Never creates or alters anything; no call holds a read transaction over a second.

    Raises StoreUnavailable for what may pass, DamagedDatabase for what does not.
    """

    def position(self) -> int:
        """The number of the newest change."""
        ...

    def position_at(self, since_ns: int) -> int:
        """A position before every change of spans and runs that started or ended since then (Unix
        nanoseconds): after it come those, and perhaps some older ones."""
        ...

    def spans(self, after: int, where: ChangeFilter = ...) -> ChangePage[SpanChange]:
        """The next spans that changed after `after` and match, each once, as it is now."""
        ...

    def runs(self, after: int) -> ChangePage[Run]:
        """The next runs that changed after `after`, each once, as it is now."""
        ...

    def open_spans(self, until_ns: int | None = None) -> Iterator[Span]:
        """Spans without an end that started no later than `until_ns`, the latest arrival first,
        those of processes that died among them; read in pages, as far as they are taken."""
        ...

    def count_open_spans(self, until_ns: int | None = None) -> int:
        """How many `open_spans` would give."""
        ...

    def is_current(self) -> bool:
        """False once the database was deleted, renamed or replaced: open another feed then."""
        ...

    def close(self) -> None: ...
