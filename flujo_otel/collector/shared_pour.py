"""Requests that are committed as they came, and will be made rows together soon."""

import time
from collections.abc import Sequence
from typing import Final

from flujo_otel.collector.waiting import Pending
from flujo_otel.model import Batch

_SPANS: Final = 7500
"""A pour takes 8,000 (`spanstore.sqlite.tuning`); what makes it so many comes on top."""
_BYTES: Final = 32 << 20
"""The same, of what is held in memory meanwhile."""
_SECONDS: Final = 1.0
"""For so long what is committed is not seen."""


class SharedPour:
    """What the next pour makes rows of, decoded already. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self.request_ids: list[int] = []
        self.batches: list[Batch] = []
        self.spans = self._held_bytes = 0
        self._due_seconds = 0.0

    def add(self, group: Sequence[Pending], request_ids: Sequence[int]) -> None:
        """These, which are kept under these ids."""
        if not self.batches:
            self._due_seconds = time.monotonic() + _SECONDS
        self.request_ids += request_ids
        self.batches += [pending.decoded.batch for pending in group]
        self.spans += sum(len(pending.decoded.batch.records) for pending in group)
        self._held_bytes += sum(pending.held_bytes for pending in group)

    @property
    def wait_seconds(self) -> float:
        """How long it may wait for more; 0 where it is due. Not to be asked of an empty one."""
        if self.spans >= _SPANS or self._held_bytes >= _BYTES:
            return 0.0
        return max(self._due_seconds - time.monotonic(), 0.0)
