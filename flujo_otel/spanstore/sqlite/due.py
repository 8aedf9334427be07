"""Pages of spans to be sent, read as one row.

Beside busy threads of a traced program `fetchall` waits 5 ms for the GIL at every row, with the
read transaction open all that time; here SQLite puts a page together in one step. Exact bytes go
through `group_concat`, which takes a blob as the text of the same bytes (hex takes twenty times as
long); their lengths beside it are checked.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from flujo_otel.spanstore.destinations import DuePage, DueSpan, Filter, Selection
from flujo_otel.wire.message import of_columns

_CHANGED: Final = """
    SELECT * FROM (
        SELECT rowid, change_seq FROM spans
        WHERE change_seq > :after AND content_seq IS NULL AND status <> 'running'
        ORDER BY change_seq LIMIT :most_spans
    )
    UNION ALL
    SELECT * FROM (
        SELECT rowid, content_seq FROM spans
        WHERE content_seq > :after AND status <> 'running'
        ORDER BY content_seq LIMIT :most_spans
    )
    ORDER BY 2 LIMIT :most_spans
"""
"""Rows whose content changed, each by the number of that change."""

_OF_RUN: Final = """
    SELECT rowid, rowid FROM spans
    WHERE run_id = :run_id AND rowid > :after AND status <> 'running'
    ORDER BY rowid LIMIT :most_spans
"""
_STORED: Final = """
    SELECT rowid, rowid FROM spans
    WHERE rowid > MAX(
            :after,
            COALESCE((SELECT MIN(rowid) - 1 FROM spans WHERE start_time >= :since), 1 << 62)
        )
        AND status <> 'running'
    ORDER BY rowid LIMIT :most_spans
"""

_TEXTS: Final = (
    "trace_id",
    "otel_span_id",
    "otel_parent_id",
    "name",
    "status_message",
    "attributes",
    "events",
)
_NUMBERS: Final = ("kind", "start_time_ns", "end_time_ns", "status_code", "flags")
_NONE: Final = -1

_BUILT_AT_ONCE: Final = 32
_REST_SECONDS: Final = 0.00005
_REST_BUDGET_SECONDS: Final = 0.1
"""A thread in pure Python keeps the GIL for 5 ms at a time, and for so long a traced program would
stand still: 32 messages take half of one. Beside several busy threads a rest lasts 25 ms, so a page
has only so much time for them."""

_LENGTHS: Final = " || ',' || ".join(
    f"COALESCE(length(CAST({name} AS BLOB)), {_NONE})" for name in _TEXTS
)
_PAGE: Final = f"""
    WITH due(id, seq) AS ({{due}}),
    sized(id, seq, bytes_before) AS (
        SELECT id, seq, SUM(size) OVER (ORDER BY seq) - size
        FROM (
            SELECT d.id, d.seq, COALESCE(length(s.otlp), 200 + length(s.attributes)) AS size
            FROM due d CROSS JOIN spans s ON s.rowid = d.id
            WHERE {{where}}
        )
    )
    SELECT
        group_concat(facts, ';'),
        CAST(group_concat(content, '') AS BLOB),
        COUNT(*) < (SELECT COUNT(*) FROM sized),
        (SELECT COUNT(*) FROM due),
        (SELECT MAX(seq) FROM due),
        (SELECT value FROM sequence)
    FROM (
        SELECT
            d.seq || ',' || s.resource_id || ',' || s.scope_id || ',' || CASE
                WHEN s.otlp IS NOT NULL THEN length(s.otlp)
                ELSE {" || ',' || ".join(f"COALESCE(s.{name}, {_NONE})" for name in _NUMBERS)}
                    || ',' || {_LENGTHS}
            END AS facts,
            COALESCE(
                s.otlp, {" || ".join(f"COALESCE(s.{name}, '')" for name in _TEXTS)}
            ) AS content
        FROM sized d CROSS JOIN spans s ON s.rowid = d.id
        WHERE d.bytes_before < :most_bytes
        ORDER BY d.seq
    )
"""

COUNT: Final = """
    SELECT COUNT(*) FROM (
        SELECT 1 FROM spans
        WHERE change_seq > position AND content_seq IS NULL AND status <> 'running'
        UNION ALL
        SELECT 1 FROM spans WHERE content_seq > position AND status <> 'running'
        LIMIT {limit}
    )
"""
"""How many are due, for the `position` around it."""

_SERVICES: Final = """s.resource_id IN (
    SELECT resource_id FROM resources
    WHERE json_extract(attributes, '$."service.name"') IN (SELECT value FROM json_each(:services))
)"""
_NAMES: Final = "EXISTS (SELECT 1 FROM json_each(:names) WHERE s.name GLOB value)"
_STATUSES: Final = "s.status IN (SELECT value FROM json_each(:statuses))"


class Found(NamedTuple):
    """One page as SQLite put it together."""

    facts: str
    content: bytes
    is_cut: bool
    is_all: bool
    """Whether there were no more rows to look at."""
    last_seq: int

    def page(self) -> DuePage:
        """Its spans. Builds the messages of those that were stored without.

        Raises ValueError where what was read does not fit together: some row of it is broken.
        """
        spans = list(_spans(self.facts, self.content))
        if self.is_cut:
            return DuePage(spans, spans[-1].seq, is_last=False)
        return DuePage(spans, self.last_seq, is_last=self.is_all)


def changed(
    connection: sqlite3.Connection, after: int, where: Filter, most_spans: int, most_bytes: int
) -> Found:
    """What `DestinationStore.page` is made of."""
    condition, values = _condition(where)
    values |= {"after": after, "most_spans": most_spans, "most_bytes": most_bytes}
    return _found(connection, _PAGE.format(due=_CHANGED, where=condition), values)


def selected(
    connection: sqlite3.Connection, after: int, which: Selection, most_spans: int, most_bytes: int
) -> Found:
    """What `DestinationStore.selected` is made of."""
    condition, values = _chosen(which)
    values |= {"after": after, "most_spans": most_spans, "most_bytes": most_bytes}
    rows = _STORED if which.run_id is None else _OF_RUN
    return _found(connection, _PAGE.format(due=rows, where=condition), values)


def count_selected(connection: sqlite3.Connection, which: Selection) -> int:
    """See `DestinationStore.count_selected`."""
    condition, values = _chosen(which)
    query = f"SELECT COUNT(*) FROM spans s WHERE s.status <> 'running' AND {condition}"
    return int(connection.execute(query, values).fetchone()[0])


def _chosen(which: Selection) -> tuple[str, dict[str, Any]]:
    condition, values = _condition(which.where)
    if which.run_id is not None:
        return f"{condition} AND s.run_id = :run_id", values | {"run_id": which.run_id}
    since_ns = which.since_ns or 0
    # REAL seconds are exact to 0.24 us.
    values |= {"since": since_ns / 1e9 - 0.001, "since_ns": since_ns}
    return f"{condition} AND s.start_time_ns >= :since_ns", values


def _condition(where: Filter) -> tuple[str, dict[str, Any]]:
    given = {
        "services": (where.services, _SERVICES),
        "names": (where.names, _NAMES),
        "statuses": (where.statuses, _STATUSES),
    }
    wanted = {name: part for name, part in given.items() if part[0]}
    condition = " AND ".join([text for _, text in wanted.values()]) or "true"
    return condition, {name: json.dumps(list(values)) for name, (values, _) in wanted.items()}


def _found(connection: sqlite3.Connection, query: str, values: dict[str, Any]) -> Found:
    row = connection.execute(query, values).fetchone()
    facts, content, is_cut, scanned, last_seq, newest = row
    is_all = scanned < values["most_spans"]
    # Behind the last row nothing is due, up to the number that was the last at that moment.
    position = max(newest, values["after"], last_seq or 0) if is_all else last_seq
    return Found(facts or "", content or b"", bool(is_cut), is_all, position)


def _spans(facts: str, content: bytes) -> Iterator[DueSpan]:
    start = built = 0
    rests_end = time.monotonic() + _REST_BUDGET_SECONDS
    for line in facts.split(";") if facts else ():
        seq, resource_id, scope_id, *rest = map(int, line.split(","))
        if len(rest) == 1:
            end = start + rest[0]
            otlp = content[start:end]
        else:
            numbers, lengths = rest[: len(_NUMBERS)], rest[len(_NUMBERS) :]
            end = start + sum(length for length in lengths if length != _NONE)
            try:
                otlp = _built(numbers, lengths, content[start:end])
            except Exception as error:
                yield broken(seq, error)
                start = end
                continue
            built += 1
            if built % _BUILT_AT_ONCE == 0 and time.monotonic() < rests_end:
                time.sleep(_REST_SECONDS)
        yield DueSpan(seq, resource_id, scope_id, otlp)
        start = end
    if start != len(content):
        raise ValueError(f"{len(content)} bytes were read where {start} were announced")


def broken(seq: int, error: Exception) -> DueSpan:
    """A span that cannot be sent: something else than us wrote into its row."""
    said = f"the row of change {seq} cannot be sent: {type(error).__name__}: {error}"
    return DueSpan(seq, 0, 0, b"", said)


def _built(numbers: list[int], lengths: list[int], content: bytes) -> bytes:
    columns: dict[str, Any] = {
        name: None if value == _NONE else value
        for name, value in zip(_NUMBERS, numbers, strict=True)
    }
    start = 0
    for name, length in zip(_TEXTS, lengths, strict=True):
        columns[name] = None if length == _NONE else content[start : start + length].decode()
        start += max(length, 0)
    return of_columns(**columns)
