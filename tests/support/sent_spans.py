"""Spans with real OTLP bytes, for tests that send them on."""

import time
from pathlib import Path
from typing import Any

from flujo_otel.model import Batch, Resource, Scope, SpanRecord
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import record

RESOURCE = Resource(
    1,
    '{"service.name":"shop"}',
    "https://r.test/1",
    b"\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04shop",
)
SCOPE = Scope(2, "library", "1.0", "", b"\x0a\x07library\x12\x031.0")


def ended(number: int, **given: Any) -> SpanRecord:
    """Span `number`, which started just now; stored without bytes of its own."""
    values = {"start_time_ns": time.time_ns() + number, "scope_id": SCOPE.scope_id, "otlp": None}
    return record(number, None if number == 1 else 1, **values | given)


def store(db: Path, *records: SpanRecord) -> None:
    """Commit these."""
    writer = SQLiteSpanWriter(db)
    try:
        for start in range(0, len(records), 10_000):
            result = writer.write(Batch(records[start : start + 10_000], (RESOURCE,), (SCOPE,)))
            assert not result.rejected
    finally:
        writer.close()


def some(count: int, first: int = 1, **given: Any) -> list[SpanRecord]:
    return [ended(number, **given) for number in range(first, first + count)]


def names(count: int, first: int = 1) -> dict[str, int]:
    """What a backend has once it has all of `some` once."""
    return {f"span-{number}": 1 for number in range(first, first + count)}
