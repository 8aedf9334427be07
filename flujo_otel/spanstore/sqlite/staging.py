"""Records into the TEMP table `staged`, all rows of a pour in one statement.

`executemany` lets go of the GIL at every row and waits for it again: 2,350 us a row beside a
busy thread. Statements of a few fixed sizes are prepared once and kept by the connection (varying
sizes cost 306 MB and ten times the time); what is missing to the next size is filled with empty
rows, since a second statement would be another wait for the GIL, some 25 ms beside 4 busy threads.
"""

import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from flujo_otel.model import SpanRecord
from flujo_otel.spanstore.sqlite.tuning import TRACED

_MOST_ROWS: Final = 1000
"""In one statement: SQLite takes 32,766 values."""
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, _MOST_ROWS)

_GIVEN: Final = ", ".join(SpanRecord._fields).replace("run_id", "named_run_id", 1)
_COLUMNS: Final = f"{_GIVEN}, span_id, run_id"
_WIDTH: Final = len(SpanRecord._fields)
_NULLABLE: Final = (
    "otel_parent_id",
    "end_time_ns",
    "status_message",
    "events",
    "links",
    "run_id",
    "cost_usd",
    "tokens",
    "otlp",
)
_NOTHING: Final = -1
"""Stands for NULL among the values; no value that can be NULL is ever this. To bind None takes
sqlite3 218 ns on Python 3.11 and an integer 16: what is no int, float, str or bytearray is first
asked how it wants to be adapted. Of eight in a row that was half of staging."""
_ROW: Final = ", ".join(
    f"NULLIF(?, {_NOTHING})" if name in _NULLABLE else "?" for name in SpanRecord._fields
)
_VALUES: Final = {name: f"column{n}" for n, name in enumerate(SpanRecord._fields, 1)}
_FIRST_GUESS: Final = (
    f"{_VALUES['otel_span_id']}, COALESCE({_VALUES['run_id']}, {_VALUES['trace_id']})"
)
"""The span's and the run's id, of values that are bound already."""
_INSERTS: Final = {
    rows: f"""
        INSERT INTO staged ({_COLUMNS}) SELECT {", ".join(_VALUES.values())}, {_FIRST_GUESS}
        FROM (VALUES {", ".join([f"({_ROW})"] * rows)})
    """
    for rows in _SIZES
}


def stage(connection: sqlite3.Connection, records: Sequence[SpanRecord]) -> None:
    """Fill `staged` with `records`, and empty rows behind them that a pour leaves out.

    Raises what sqlite3 raises for values that it cannot bind.
    """
    for start in range(0, len(records), _MOST_ROWS):
        some = records[start : start + _MOST_ROWS]
        rows = _SIZES[bisect_left(_SIZES, len(some))]
        parameters = _parameters(some)
        parameters += [_NOTHING] * (_WIDTH * (rows - len(some)))
        connection.execute(_INSERTS[rows], parameters)


def _parameters(records: Sequence[SpanRecord]) -> list[Any]:
    parameters: list[Any] = list(chain.from_iterable(records))
    for name in _NULLABLE:
        place = slice(SpanRecord._fields.index(name), None, _WIDTH)
        parameters[place] = _bindable(parameters[place])
    return parameters


def _bindable(column: list[Any]) -> list[Any]:
    """The values of one column as sqlite3 binds them fastest."""
    missing = column.count(None)
    if missing == len(column):
        return [_NOTHING] * missing
    if isinstance(column[0], bytes) or missing:
        return [
            _NOTHING if value is None else bytearray(value) if type(value) is bytes else value
            for value in column
        ]
    return column


def pours(
    records: Sequence[SpanRecord], most_rows: int = TRACED.rows_per_pour
) -> list[Sequence[SpanRecord]]:
    """Cut a batch into pours of `most_rows` at most, in which no OTel span id occurs twice.

    Of one span's running and ended record only the ended one is kept; spans that merely share an
    id (a user's `random.seed(42)`) go into different pours.
    """
    if len({record.otel_span_id for record in records}) == len(records):
        return [records[start : start + most_rows] for start in range(0, len(records), most_rows)]
    return [
        layer[start : start + most_rows]
        for layer in _layers(records)
        for start in range(0, len(layer), most_rows)
    ]


def _layers(records: Sequence[SpanRecord]) -> list[list[SpanRecord]]:
    """The first span of each id, then the second, and so on."""
    layers: list[list[SpanRecord]] = []
    places: dict[tuple[str, str, int, int], tuple[int, int]] = {}
    count_of: Counter[str] = Counter()
    for record in records:
        span_id = record.otel_span_id
        key = record.trace_id, span_id, record.start_time_ns, record.kind
        place = places.get(key)
        if place is None:
            depth = count_of[span_id]
            count_of[span_id] += 1
            if depth == len(layers):
                layers.append([])
            places[key] = depth, len(layers[depth])
            layers[depth].append(record)
        elif record.end_time_ns is not None or layers[place[0]][place[1]].end_time_ns is None:
            layers[place[0]][place[1]] = record
    return layers
