"""What our database holds of a trace, read without our own readers and decoders.

OTLP bytes are parsed by the protobuf library. A span that was stored without bytes is what its
columns say.
"""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from .plain import Attributes, PlainEvent, PlainSpan, Spans, Value, by_id, double, of_messages

_ROWS = """
SELECT spans.*, resources.otlp AS resource, resources.schema_url AS resource_schema_url,
  scopes.otlp AS scope, scopes.schema_url AS scope_schema_url
FROM spans JOIN resources USING (resource_id) JOIN scopes USING (scope_id)
WHERE trace_id = ? AND spans.status <> 'running'
"""

_NAMES = {type(None): "empty", bool: "bool", int: "int", str: "string"}


def trace(db: Path, trace_id: str) -> Spans:
    """The ended spans of a trace, by span id."""
    return by_id(_plain(row) for row in _rows(db, _ROWS, trace_id))


def traces(db: Path) -> dict[str, int]:
    """How many ended spans there are of each trace."""
    counted = "SELECT trace_id, COUNT(*) AS n FROM spans WHERE status <> 'running' GROUP BY 1"
    return {row["trace_id"]: row["n"] for row in _rows(db, counted)}


def backlog(db: Path) -> int:
    """How many spans are stored as they came, and no rows yet."""
    (row,) = _rows(db, "SELECT TOTAL(span_count) AS spans FROM backlog")
    return int(row["spans"])


def run_of(db: Path, trace_id: str) -> str:
    """The one run that a trace belongs to."""
    (row,) = _rows(db, "SELECT DISTINCT run_id FROM spans WHERE trace_id = ?", trace_id)
    run_id: str = row["run_id"]
    return run_id


def readable(db: Path, trace_id: str) -> dict[str, dict[str, Any]]:
    """What the columns that people read say of each span."""
    return {
        row["otel_span_id"]: {
            "attributes": json.loads(row["attributes"]),
            "events": json.loads(row["events"] or "[]"),
            "links": json.loads(row["links"] or "[]"),
            "status": row["status"],
            "status_message": row["status_message"] or "",
        }
        for row in _rows(db, _ROWS, trace_id)
    }


def _rows(db: Path, statement: str, *values: Any) -> list[sqlite3.Row]:
    if not db.exists():
        return []
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def _plain(row: sqlite3.Row) -> PlainSpan:
    span = Span() if row["otlp"] is None else Span.FromString(row["otlp"])
    of_scope = ScopeSpans(
        scope=InstrumentationScope.FromString(row["scope"]),
        spans=[span],
        schema_url=row["scope_schema_url"],
    )
    of_resource = ResourceSpans(
        resource=Resource.FromString(row["resource"]),
        scope_spans=[of_scope],
        schema_url=row["resource_schema_url"],
    )
    (plain,) = of_messages([of_resource])
    return _with_columns(plain, row) if row["otlp"] is None else plain


def _with_columns(plain: PlainSpan, row: sqlite3.Row) -> PlainSpan:
    events = json.loads(row["events"] or "[]")
    return replace(
        plain,
        trace_id=row["trace_id"],
        span_id=row["otel_span_id"],
        parent_id=row["otel_parent_id"] or "",
        name=row["name"],
        kind=row["kind"],
        start_ns=row["start_time_ns"],
        end_ns=row["end_time_ns"],
        attributes=_attributes(json.loads(row["attributes"])),
        events=tuple(
            PlainEvent(event["name"], event["time_ns"], _attributes(event["attributes"]))
            for event in events
        ),
        status=(row["status_code"], row["status_message"] or ""),
        flags=row["flags"],
    )


def _attributes(given: dict[str, Any]) -> Attributes:
    return {key: _value(value) for key, value in given.items()}


def _value(given: Any) -> Value:
    if isinstance(given, list):
        return ("array", tuple(map(_value, given)))
    if isinstance(given, dict):
        return ("map", _attributes(given))
    if isinstance(given, float):
        return double(given)
    return (_NAMES[type(given)], given)
