"""Counts what did not arrive, by reason, until the store can write it down."""

import json
from time import time_ns
from typing import NamedTuple

from opentelemetry.sdk.resources import Resource

from flujo_otel import guard, process
from flujo_otel.model import Batch, Loss, SpanRecord


class _Key(NamedTuple):
    service: str
    reason: str
    detail: str


class _Count:
    __slots__ = ("count", "first_time_ns", "last_time_ns", "reported")

    def __init__(self) -> None:
        self.count = self.reported = 0
        self.first_time_ns = self.last_time_ns = time_ns()


class LossCounter:
    """Counted by any thread, reported by the writer.

    Counting takes no lock: a signal handler may interrupt it, and waits for the writer then. Each
    count only grows and the writer remembers how much of it was reported, so nothing is counted
    twice or forgotten between the two.
    """

    def __init__(self) -> None:
        self._counts: dict[_Key, _Count] = {}

    def count(self, service: str, reason: str, detail: str = "", count: int = 1) -> None:
        """`count` more of this `reason`, a word of docs/ledger.md. From any thread."""
        key = _Key(service, reason, detail)
        entry = self._counts.get(key) or self._counts.setdefault(key, _Count())
        entry.count += count
        entry.last_time_ns = time_ns()

    def unreported(self) -> list[Loss]:
        """What `reported` was not called for yet, faults of ours in the traced program included."""
        for what, count in guard.faults().items():
            key = _Key(process.current().command, "fault", what)
            self._counts.setdefault(key, _Count()).count = count
        return [
            Loss(*key, entry.count - entry.reported, entry.first_time_ns, entry.last_time_ns)
            for key, entry in list(self._counts.items())
            if entry.count > entry.reported
        ]

    def reported(self, losses: list[Loss]) -> None:
        """`losses` are in the ledger now."""
        for loss in losses:
            entry = self._counts[_Key(loss.service, loss.reason, loss.detail)]
            entry.reported += loss.count
            entry.first_time_ns = loss.last_time_ns


def service_of(resource: Resource) -> str:
    """`service.name`, or the program's name where it is not set."""
    return _service(resource.attributes.get("service.name"))


def service_of_record(record: SpanRecord, batch: Batch) -> str:
    """The same for a record of `batch`."""
    for resource in batch.resources:
        if resource.resource_id == record.resource_id:
            return _service(json.loads(resource.attributes).get("service.name"))
    return _service(None)


def _service(name: object) -> str:
    # What the SDK fills in by itself tells nothing.
    if not name or str(name).startswith("unknown_service"):
        return process.current().command
    return str(name)
