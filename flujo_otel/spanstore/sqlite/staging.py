"""Records into the TEMP table `staged`, many rows a statement.

`executemany` lets go of the GIL at every row and waits for it again: 2,350 us a row beside a busy
thread. Statements of a few fixed sizes are prepared once and kept by the connection's cache;
varying sizes cost 306 MB and ten times the time.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from flujo_otel.model import SpanRecord

ROWS_PER_POUR: Final = 1000
"""Keeps the write lock some 10 ms a pour."""
_LADDER: Final = (ROWS_PER_POUR, 256, 64, 16, 4, 1)
CACHED_STATEMENTS: Final = 32

_GIVEN: Final = ", ".join(SpanRecord._fields)
_ROW: Final = "(" + ", ".join("?" * (len(SpanRecord._fields) + 2)) + ")"
_GIVEN_IDS: Final = f"{_GIVEN}, span_id, run_id".replace("run_id", "named_run_id", 1)
_INSERTS: Final = {
    rows: f"INSERT INTO staged ({_GIVEN_IDS}) VALUES {', '.join([_ROW] * rows)}" for rows in _LADDER
}


def stage(connection: sqlite3.Connection, records: Sequence[SpanRecord]) -> None:
    """Fill `staged` with at most ROWS_PER_POUR records.

    Raises what sqlite3 raises for values that it cannot bind.
    """
    position = 0
    for rows in _LADDER:
        while len(records) - position >= rows:
            chunk = records[position : position + rows]
            connection.execute(_INSERTS[rows], _parameters(chunk))
            position += rows


def _parameters(records: Sequence[SpanRecord]) -> list[Any]:
    parameters: list[Any] = []
    for record in records:
        parameters += record
        parameters += (record.otel_span_id, record.run_id or record.trace_id)
    return parameters


def pours(records: Sequence[SpanRecord]) -> list[list[SpanRecord]]:
    """Cut a batch into pours in which no OTel span id occurs twice.

    Of one span's running and ended record only the ended one is kept; spans that merely share an
    id (a user's `random.seed(42)`) go into different pours.
    """
    cut: list[list[SpanRecord]] = []
    places: list[dict[str, int]] = []
    for record in records:
        for chunk, place in zip(cut, places, strict=True):
            known = place.get(record.otel_span_id)
            if known is None and len(chunk) < ROWS_PER_POUR:
                place[record.otel_span_id] = len(chunk)
                chunk.append(record)
                break
            if known is not None and _same_span(chunk[known], record):
                if record.end_time_ns is not None or chunk[known].end_time_ns is None:
                    chunk[known] = record
                break
        else:
            cut.append([record])
            places.append({record.otel_span_id: 0})
    return cut


def _same_span(one: SpanRecord, other: SpanRecord) -> bool:
    return (
        one.trace_id == other.trace_id
        and one.start_time_ns == other.start_time_ns
        and one.kind == other.kind
    )
