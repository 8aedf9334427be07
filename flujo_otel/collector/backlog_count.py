"""How much is kept as it came until there is time to unpack it, by this collector's own count."""

import time
from collections.abc import Sequence
from typing import Final

from flujo_otel.collector.unpacking import Unpacked
from flujo_otel.spanstore.backlog import KeptRequest

_MOST_BYTES: Final = 512 << 20
"""Some 2 million spans."""
_LONGEST_SECONDS: Final = 30.0
"""What is kept is not seen yet."""


class BacklogCount:
    """Starts with the spans that were taken over from processes that are gone."""

    def __init__(self, inherited_spans: int) -> None:
        self.spans = self._inherited_spans = inherited_spans
        """`spans`: never 0 by counting, only where the store has no more. For any thread."""
        self._bytes = 0
        self._since_seconds = time.monotonic()

    @property
    def is_full(self) -> bool:
        """Whether there is so much, or for so long, that clients have to wait for rows again."""
        lasts_seconds = time.monotonic() - self._since_seconds if self.spans else 0.0
        return self._bytes >= _MOST_BYTES or lasts_seconds >= _LONGEST_SECONDS

    def add(self, requests: Sequence[KeptRequest]) -> None:
        """These were kept."""
        self.add_spans(sum(request.span_count for request in requests))
        self._bytes += sum(len(request.body) for request in requests)

    def add_spans(self, spans: int) -> None:
        """So many are to be unpacked besides."""
        if not self.spans:
            self._since_seconds = time.monotonic()
        self.spans += spans

    def look(self) -> None:
        """Some may have been kept: the store is to be asked."""
        if not self.spans:
            self.add_spans(1)

    def subtract(self, unpacked: Unpacked) -> int:
        """The oldest were unpacked; how many of the spans kept here were rejected."""
        if not unpacked.requests:
            self.spans = self._inherited_spans = self._bytes = 0
            return 0
        self.spans = max(self.spans - unpacked.spans, 1)
        if self._inherited_spans:
            # These come first. What was unpacked with the last of them passes for inherited too.
            self._inherited_spans = max(self._inherited_spans - unpacked.spans, 0)
            return 0
        self._bytes = max(self._bytes - unpacked.body_bytes, 0)
        return unpacked.rejected
