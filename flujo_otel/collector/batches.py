"""Several requests' batches as one, and what the ledger is told of their spans."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from flujo_otel.model import Batch, Loss
from flujo_otel.spanstore.api import Rejected


def merged(batches: Sequence[Batch]) -> Batch:
    """All of them, each resource and scope once."""
    if len(batches) == 1:
        return batches[0]
    resources = {r.resource_id: r for batch in batches for r in batch.resources}
    scopes = {s.scope_id: s for batch in batches for s in batch.scopes}
    records = list(chain.from_iterable(batch.records for batch in batches))
    return Batch(records, tuple(resources.values()), tuple(scopes.values()))


def reasons_of(rejected: Sequence[Rejected]) -> dict[int, str]:
    """Why, by the record's `id()`."""
    return {id(refused.record): refused.reason for refused in rejected}


def losses_of(batch: Batch, reasons: Mapping[int, str]) -> Iterator[Loss]:
    """Of its rejected spans, by `reasons_of`."""
    refused = Counter(
        (record.resource_id, reasons[id(record)])
        for record in batch.records
        if id(record) in reasons
    )
    services, now_ns = _services(batch), time.time_ns()
    for (resource_id, reason), count in refused.items():
        yield Loss(services[resource_id], "rejected", reason, count, now_ns, now_ns)


def faults_of(batch: Batch, error: Exception) -> Iterator[Loss]:
    """Of all its spans, which a fault of ours costs."""
    services, now_ns = _services(batch), time.time_ns()
    for resource_id, count in Counter(record.resource_id for record in batch.records).items():
        detail = type(error).__name__
        yield Loss(services[resource_id], "internal_error", detail, count, now_ns, now_ns)


def _services(batch: Batch) -> dict[int, str]:
    return {
        resource.resource_id: str(json.loads(resource.attributes).get("service.name") or "")
        for resource in batch.resources
    }
