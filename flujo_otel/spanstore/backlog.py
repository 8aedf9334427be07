"""The port for requests that are kept as they came, and become rows later.

A span that is a row costs its indexes, three times what receiving it does. Where rows of many
requests together are clearly cheaper, or more comes than can be made rows, requests are committed
whole; they survive SIGKILL as rows do.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from flujo_otel.spanstore.api import BacklogSize, SpanWriter


class KeptRequest(NamedTuple):
    """`encoding`: the receiver's number for how `body` is written. `span_count`: of the spans in it
    that its sender was told are stored. `request_id`: 0 until it is kept."""

    encoding: int
    span_count: int
    body: bytes
    request_id: int = 0


class Backlog(Protocol):
    """What one process keeps, and what those that are gone have left. First in, first out."""

    def keep(self, requests: Sequence[KeptRequest]) -> Sequence[int]:
        """Commit them: when this returns they survive SIGKILL; the answer is their ids. Raises
        StoreUnavailable (some of them may be committed), ForeignDatabase."""
        ...

    def take_over(self) -> BacklogSize:
        """What processes that are gone have kept is this one's from now on; how much is this one's
        now. Raises as `keep` does."""
        ...

    def oldest(self, most_spans: int, most_bytes: int) -> Sequence[KeptRequest]:
        """This process's oldest requests, up to the one that makes them `most_spans` or
        `most_bytes`; one at least if there is one. Raises as `keep` does."""
        ...

    def forget(self, request_ids: Sequence[int]) -> None:
        """Remove these of this process's. Raises as `keep` does."""
        ...


class CollectorStore(SpanWriter, Backlog, Protocol):
    """A collector's way in."""
