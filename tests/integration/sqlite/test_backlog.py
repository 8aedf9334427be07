"""Requests that are kept as they came, and whose they are."""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.errors import StoreUnavailable
from flujo_otel.spanstore.api import BacklogSize
from flujo_otel.spanstore.backlog import CollectorStore, KeptRequest
from flujo_otel.spanstore.factory import open_collector_store, open_maintenance, open_reader
from support.programs import run, start, wait_for_line

KEEPING = """
import os, signal, sys
from flujo_otel.spanstore.backlog import KeptRequest
from flujo_otel.spanstore.factory import open_collector_store

store = open_collector_store()
store.keep([KeptRequest(0, 7, b"of one that is gone")])
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "otel.db"


@pytest.fixture
def store(db: Path) -> Iterator[CollectorStore]:
    with closing(open_collector_store(db, busy_timeout_seconds=0.1)) as store:
        yield store


def some(count: int, first: int = 0) -> list[KeptRequest]:
    return [KeptRequest(n % 2, n + 1, b"%d" % n * 3000) for n in range(first, first + count)]


def bodies(store: CollectorStore, most_spans: int) -> list[bytes]:
    return [request.body for request in store.oldest(most_spans, 1 << 30)]


def ids(requests: Iterable[KeptRequest]) -> list[int]:
    return [request.request_id for request in requests]


def test_what_is_kept_comes_back_as_it_was_oldest_first(store: CollectorStore) -> None:
    given = some(200)
    kept = [*store.keep(given[:150]), *store.keep(given[150:])]
    found = store.oldest(10**6, 1 << 30)
    assert kept == ids(found)
    assert given == [request._replace(request_id=0) for request in found]
    store.forget(ids(found[:181]))
    left = store.oldest(10**6, 1 << 30)
    assert given[181:] == [request._replace(request_id=0) for request in left]


def test_so_many_come_as_have_the_spans_asked_for_and_one_at_least(store: CollectorStore) -> None:
    store.keep(some(5))  # of 1, 2, 3, 4 and 5 spans
    assert [1, 2, 3] == [len(bodies(store, most)) for most in (1, 2, 6)]


def test_large_ones_come_a_few_at_a_time(store: CollectorStore) -> None:
    store.keep(some(5))  # of 3,000 bytes each
    assert [1, 1, 2, 5] == [len(store.oldest(100, most)) for most in (1, 3000, 3001, 10**6)]


def test_what_another_of_this_process_reads_too_is_lost_by_neither(
    db: Path, store: CollectorStore
) -> None:
    store.keep(some(2))
    with closing(open_collector_store(db)) as other:
        found = other.oldest(10**6, 1 << 30)
        store.forget(ids(store.oldest(10**6, 1 << 30)))
        store.keep(some(3, first=2))
        other.forget(ids(found))
        assert [b"2" * 3000, b"3" * 3000, b"4" * 3000] == bodies(other, 10**6)


def test_nothing_is_no_backlog(store: CollectorStore) -> None:
    assert [] == store.oldest(1, 1)
    assert (0, 0) == store.take_over()[:2]


def test_what_a_process_that_is_gone_has_kept_is_taken_over(
    db: Path, store: CollectorStore
) -> None:
    run(db, KEEPING)
    store.keep(some(1))
    assert 1 == len(bodies(store, 100))
    assert (2, 8) == store.take_over()[:2]
    assert [b"of one that is gone", b"0" * 3000] == bodies(store, 100)


def test_what_is_not_this_processs_is_not_forgotten_under_the_same_id(
    db: Path, store: CollectorStore
) -> None:
    run(db, KEEPING)
    store.forget([1])
    assert (1, 7) == store.take_over()[:2]
    store.forget([1])
    assert (0, 0) == store.take_over()[:2]


def test_what_a_living_process_keeps_is_its_own(db: Path, store: CollectorStore) -> None:
    source = KEEPING + "import sys\nprint('kept', flush=True)\nsys.stdin.read()\n"
    with start(db, source) as other:
        wait_for_line(other, "kept")
        assert (0, 0) == store.take_over()[:2]
        assert [] == store.oldest(100, 1 << 30)
        with closing(open_reader(db)) as reader:
            size = reader.backlog()
        assert (1, 7) == size[:2]
        assert size.attendant is not None
        assert other.pid == size.attendant.pid
        other.kill()


def test_what_one_that_is_gone_has_left_is_not_another_s_to_attend_to(
    db: Path, store: CollectorStore
) -> None:
    run(db, KEEPING)
    source = KEEPING + "import sys\nprint('kept', flush=True)\nsys.stdin.read()\n"
    with start(db, source) as other, closing(open_reader(db)) as reader:
        wait_for_line(other, "kept")
        assert (2, 14, None) == reader.backlog()[:3]
        store.forget(ids(store.oldest(store.take_over().spans, 1 << 30)))
        size = reader.backlog()
        assert (1, 7) == size[:2]
        assert size.attendant is not None
        assert other.pid == size.attendant.pid
        other.kill()


ELSEWHERE = "host = 'elsewhere'"
WITHOUT_A_START = "process_start = ''"


def altered(db: Path, setting: str, where: str = "true") -> None:
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(f"UPDATE writers SET {setting} WHERE {where}")


@pytest.mark.parametrize("unknown", [ELSEWHERE, WITHOUT_A_START])
def test_one_that_cannot_be_looked_at_is_gone_when_it_has_been_silent(
    db: Path, store: CollectorStore, unknown: str
) -> None:
    store.keep(some(1))
    altered(db, unknown)
    store.close()
    assert (0, 0) == store.take_over()[:2]
    altered(db, f"seen_at_ns = {time.time_ns() - 61 * 10**9}", unknown)
    assert (1, 1) == store.take_over()[:2]


def test_one_that_keeps_again_after_a_long_time_is_not_silent(
    db: Path, store: CollectorStore
) -> None:
    store.beat()
    altered(db, "seen_at_ns = 0")
    store.keep(some(1))
    altered(db, ELSEWHERE)
    store.close()
    assert (0, 0) == store.take_over()[:2]


def test_readers_and_doctor_say_what_there_is(db: Path, store: CollectorStore) -> None:
    store.keep([])
    store.beat()
    with closing(open_reader(db)) as reader:
        assert BacklogSize() == reader.backlog()
    store.keep(some(3))
    with closing(open_reader(db)) as reader:
        assert (3, 6) == reader.backlog()[:2]
        first = reader.backlog()
        store.keep(some(1))
        assert (4, 3) == (reader.backlog().requests, reader.backlog(first.latest_id).requests)
    store.forget([first.latest_id + 1])
    assert (3, 6) == open_maintenance(db).health().backlog[:2]


def test_a_locked_database_is_unavailable_and_nothing_is_half_kept(
    db: Path, store: CollectorStore
) -> None:
    store.beat()
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            store.keep(some(3))
    assert [] == store.oldest(100, 1 << 30)
    store.keep(some(3))
    assert 3 == len(bodies(store, 100))
