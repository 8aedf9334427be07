"""Which spans may be those that somebody looks for, in SQL: to decode a span takes ten times as
long as to look through its text."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from flujo_otel.model import Span
from flujo_otel.spanstore.api import SpanHints
from flujo_otel.spanstore.sqlite import rows

_ROWS_AT_ONCE: Final = 1_000
"""Of 64 KB each, these are looked through in 0.1 s, which is as long as a transaction lasts."""
_RUN_IDS_AT_ONCE: Final = 500
_ROWS_OF: Final = "SELECT rowid FROM spans WHERE run_id IN (SELECT value FROM json_each(?))"
_LONGEST_PATTERN: Final = 1_000
"""SQLite takes 50,000."""
_SOMEWHERE: Final = (
    "(name LIKE ? ESCAPE '!' OR status_message LIKE ? ESCAPE '!'"
    " OR attributes LIKE ? ESCAPE '!' OR events LIKE ? ESCAPE '!'"
    # To LIKE a text ends at its first NUL; in JSON there is none.
    " OR instr(name, char(0)) OR instr(status_message, char(0)))"
)

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


def candidates_among(query: Query, run_ids: Sequence[str], hints: SpanHints) -> Iterator[Span]:
    """See `api.TraceReader.candidates`."""
    condition, values = _condition(hints)
    wanted = f"{rows.SELECT_SPANS} WHERE rowid IN (SELECT value FROM json_each(?)) AND {condition}"
    for start in range(0, len(run_ids), _RUN_IDS_AT_ONCE):
        ids = json.dumps(list(run_ids[start : start + _RUN_IDS_AT_ONCE]))
        row_ids = sorted(row_id for (row_id,) in query(_ROWS_OF, (ids,)))
        for first in range(0, len(row_ids), _ROWS_AT_ONCE):
            page = json.dumps(row_ids[first : first + _ROWS_AT_ONCE])
            yield from (rows.span(row) for row in query(wanted, (page, *values)))


def _condition(hints: SpanHints) -> tuple[str, list[Any]]:
    conditions, values = ["TRUE"], list[Any]()
    # `+`: by no index of these columns, for the rows are known by their number.
    for condition, value in (("+name = ?", hints.name), ("+status = ?", hints.status)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if hints.least_ns:
        conditions.append("(end_time_ns IS NULL OR end_time_ns - start_time_ns >= ?)")
        values.append(hints.least_ns)
    for fragment in hints.fragments:
        conditions.append(_SOMEWHERE)
        values += 4 * [_pattern(fragment)]
    return " AND ".join(conditions), values


def _pattern(fragment: str) -> str:
    """For LIKE, to which % and _ are other things."""
    kept = fragment[:_LONGEST_PATTERN]
    for special in "!%_":
        kept = kept.replace(special, f"!{special}")
    return f"%{kept}%"
