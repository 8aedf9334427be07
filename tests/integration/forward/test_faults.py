"""Rows that no span can be made of, and a store that cannot be read: neither stops a destination
for good, and both are said where people look."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.forward import dispatch, forwarder, shipment
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.forward.forwarders import Forwarders
from flujo_otel.settings import load
from flujo_otel.spanstore.destinations import CursorState
from flujo_otel.spanstore.factory import open_destinations
from flujo_otel_cli.command_line import call
from integration.forward.conftest import cursor
from support.backends import HttpBackend, spans_of, status, wait_until
from support.sent_spans import names, some, store

Deliver = Callable[[str], Dispatch]

BROKEN = [
    "attributes = '{not json'",
    "events = '[{}]'",
    "name = CAST(x'ff' AS TEXT)",
    "kind = 'a kind'",
    "flags = '1,2'",
    "start_time_ns = -1",
]


def spoil(db: Path, *changes: str, span: str = "span-7") -> None:
    """What no writer of ours does: alter a stored row."""
    with closing(sqlite3.connect(db)) as connection, connection:
        for change in changes:
            changed = connection.execute(f"UPDATE spans SET {change} WHERE name = ?", (span,))
            assert 1 == changed.rowcount


def without_the_seventh(count: int) -> dict[str, int]:
    return {name: times for name, times in names(count).items() if name != "span-7"}


@pytest.mark.parametrize("change", BROKEN)
def test_a_row_that_cannot_be_built_is_passed_by_and_counted_with_the_reason(
    db: Path, backend: HttpBackend, deliver: Deliver, change: str
) -> None:
    one = deliver(backend.url)
    store(db, *some(20))
    spoil(db, change)
    while one.work() == 0:
        pass
    assert without_the_seventh(20) == backend.taken.names
    assert (0, 19, 1) == (cursor(db).lag, cursor(db).sent, cursor(db).rejected)
    assert "the row of change 7 cannot be sent: " in cursor(db).rejection


def test_a_resource_that_is_no_bytes_costs_its_spans_alone(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(20))
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(
            "INSERT INTO resources (resource_id, attributes, schema_url, otlp)"
            " SELECT 77, attributes, schema_url, 'no bytes' FROM resources LIMIT 1"
        )
    spoil(db, "resource_id = 77")
    one.work()
    assert without_the_seventh(20) == backend.taken.names
    assert (0, 19, 1) == (cursor(db).lag, cursor(db).sent, cursor(db).rejected)


def test_a_page_of_nothing_but_such_rows_is_no_request(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(7, first=7)[:1])
    spoil(db, BROKEN[0])
    one.work()
    assert (0, 0, 1) == (backend.seen, cursor(db).sent, cursor(db).rejected)


def test_lens_forward_passes_it_by_too(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    store(db, *some(20))
    spoil(db, BROKEN[0])
    assert 4 == call(["forward", "--to", backend.url, "--db", str(db)])
    assert without_the_seventh(20) == backend.taken.names
    assert "rejected 1: the row of change 7 cannot be sent" in capsys.readouterr().err


@pytest.fixture
def quick_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "_STORE_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(forwarder, "_FAULT_SECONDS", 0.01)


@pytest.fixture
def forwarders(db: Path, backend: HttpBackend) -> Forwarders:
    chosen = destinations([backend.url], load(db=str(db)))
    return Forwarders(chosen, lambda: open_destinations(db))


@pytest.mark.usefixtures("quick_turns")
def test_a_store_that_stays_unreadable_is_said_on_the_cursor_until_it_is_over(
    db: Path, backend: HttpBackend, forwarders: Forwarders, caplog: pytest.LogCaptureFixture
) -> None:
    store(db, *some(1, start_time_ns=10**18))  # long ago: not due, its scope not read yet
    forwarders.start()
    wait_until(lambda: _is_leased(db), "it sends")
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("ALTER TABLE scopes RENAME TO mislaid")
        make_due(connection)
        wait_until(lambda: cursor(db).state is CursorState.RETRYING, "said")
        assert "no such table" in cursor(db).error
        connection.execute("ALTER TABLE mislaid RENAME TO scopes")
    wait_until(lambda: cursor(db).state is CursorState.OK, "over")
    assert forwarders.stop(5)
    assert "nothing is sent to" in caplog.text


def _is_leased(db: Path) -> bool:
    store_ = open_destinations(db, read_only=True)
    try:
        return any(each.holder for each in store_.cursors())
    finally:
        store_.close()


def make_due(connection: sqlite3.Connection) -> None:
    """As a change of their content makes the spans that are stored."""
    with connection:
        connection.execute("UPDATE sequence SET value = value + 1")
        connection.execute("UPDATE spans SET change_seq = (SELECT value FROM sequence)")


@pytest.mark.usefixtures("quick_turns")
def test_a_fault_of_our_own_is_said_on_the_cursor_until_it_is_over(
    db: Path,
    backend: HttpBackend,
    forwarders: Forwarders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE", raising=False)
    store(db, *some(1))
    forwarders.start()
    wait_until(lambda: _is_leased(db) and cursor(db).sent == 1, "it sends")
    with monkeypatch.context() as broken:
        broken.setattr(shipment.Shipment, "send", None)
        store(db, *some(3, first=2))
        wait_until(lambda: cursor(db).state is CursorState.RETRYING, "said")
        assert "a fault of flujo-otel: TypeError" in cursor(db).error
    wait_until(lambda: cursor(db).sent == 4, "sent after all")
    assert CursorState.OK is cursor(db).state
    assert forwarders.stop(5)


def sizes(backend: HttpBackend) -> list[int]:
    return [request.ByteSize() for request in backend.taken.requests]


def test_after_a_413_batches_are_never_larger_than_at_first(
    db: Path, backend: HttpBackend, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_BYTES", 2000)
    one = deliver(backend.url)
    huge = some(1, first=2, attributes='{"text":"' + "x" * 90_000 + '"}')
    store(db, *some(1), *huge, *some(60, first=3))
    backend.replies.append(status(413))
    while one.work() == 0:
        pass
    assert names(62) == backend.taken.names
    assert max(size for size in sizes(backend) if size < 90_000) < 2500


def test_after_a_413_batches_grow_again(
    db: Path, backend: HttpBackend, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_BYTES", 4000)
    monkeypatch.setattr(dispatch, "_MORE_BYTES", 500)
    one = deliver(backend.url)
    backend.most_spans = 1
    store(db, *some(4))
    while one.work() == 0:
        pass
    backend.most_spans = 1000
    store(db, *some(200, first=5))
    while one.work() == 0:
        pass
    assert names(204) == backend.taken.names
    counts = [len(list(spans_of(request))) for request in backend.taken.requests]
    assert counts[4] < 10  # the first after those that were halved
    assert max(counts) > 15
