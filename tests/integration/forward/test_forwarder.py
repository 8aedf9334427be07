"""Forwarders over time: backends that go and come, processes that share a store or are killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flujo_otel.forward import dispatch
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.forward.forwarders import Forwarders
from flujo_otel.settings import load
from flujo_otel.spanstore.destinations import CursorState, Progress
from flujo_otel.spanstore.factory import open_destinations
from flujo_otel.spanstore.sqlite import destinations as stored
from integration.forward.conftest import cursor
from support.backends import Handler, HttpBackend, ok, spans_of, status, wait_until
from support.programs import TIMEOUT_SECONDS, peak_mib
from support.sent_spans import ended, names, some, store

Start = Callable[..., Forwarders]


@pytest.fixture
def start(db: Path) -> Iterator[Start]:
    """Forwarders to URLs, joined to the store by the time they are returned."""
    made: list[Forwarders] = []

    def make(*urls: str) -> Forwarders:
        chosen = destinations(urls, load(db=str(db)))
        forwarders = Forwarders(chosen, lambda: open_destinations(db))
        made.append(forwarders)
        forwarders.start()
        wait_until(lambda: _known(db) >= {each.name for each in chosen}, "destinations known")
        return forwarders

    yield make
    for each in made:
        each.stop(0.1)


def _known(db: Path) -> set[str]:
    if not db.exists() or not db.stat().st_size:
        return set()
    cursors = open_destinations(db)
    try:
        return {each.destination for each in cursors.cursors()}
    finally:
        cursors.close()


PROGRAM = """
import sys, time
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.forwarders import Forwarders
from flujo_otel.settings import load
from flujo_otel.spanstore.factory import open_destinations
db, url = sys.argv[1:3]
forwarders = Forwarders(destinations([url], load(db=db)), lambda: open_destinations(db))
forwarders.start()
print("started", flush=True)
sys.stdin.read()
forwarders.stop(5)
"""


def forwarding_process(db: Path, url: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(db), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "started\n" == process.stdout.readline()
    return process


def test_what_is_stored_is_sent_soon_after(db: Path, backend: HttpBackend, start: Start) -> None:
    forwarders = start(backend.url)
    for first in range(1, 100, 10):
        store(db, *some(10, first=first))
    wait_until(lambda: len(backend.taken.spans) >= 100, "100 spans")
    assert names(100) == backend.taken.names
    wait_until(lambda: forwarders.statuses()[backend.url].sent == 100, "counted")


def test_a_backend_killed_in_mid_stream_and_revived_misses_nothing(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    start(backend.url)
    for round_ in range(6):
        store(db, *some(300, first=1 + 300 * round_))
        if round_ % 2 == 0:
            wait_until(lambda: len(backend.taken.spans) > 0, "some arrive")
            backend.kill()
        else:
            backend.revive()
    wait_until(lambda: len(backend.taken.names) == 1800, "all arrive")
    wait_until(lambda: cursor(db).sent == 1800, "all counted")


def test_each_destination_is_on_its_own(db: Path, backend: HttpBackend, start: Start) -> None:
    refusing, dead = HttpBackend(), HttpBackend()
    refusing.otherwise = status(401)
    dead.kill()
    try:
        forwarders = start(refusing.url, backend.url, dead.url)
        store(db, *some(50))
        wait_until(lambda: forwarders.statuses()[backend.url].sent == 50, "50 sent")
        assert names(50) == backend.taken.names
        states = {name: each.state for name, each in forwarders.statuses().items()}
        wait_until(
            lambda: (
                {
                    refusing.url: CursorState.PAUSED,
                    backend.url: CursorState.OK,
                    dead.url: CursorState.RETRYING,
                }
                == {name: each.state for name, each in forwarders.statuses().items()}
            ),
            f"the states, {states}",
        )
    finally:
        refusing.close()
        dead.close()


def test_a_restart_goes_on_where_it_stopped(db: Path, backend: HttpBackend, start: Start) -> None:
    first = start(backend.url)
    store(db, *some(10))
    wait_until(lambda: cursor(db).sent == 10, "10 sent")
    assert first.stop(5)
    store(db, *some(10, first=11))
    start(backend.url)
    wait_until(lambda: cursor(db).sent == 20, "20 sent")
    assert names(20) == backend.taken.names


def test_stopping_sends_what_is_due(db: Path, backend: HttpBackend, start: Start) -> None:
    forwarders = start(backend.url)
    store(db, *some(2500))
    assert forwarders.stop(20)
    assert names(2500) == backend.taken.names
    assert cursor(db).holder is None


def test_stopping_does_not_wait_for_a_dead_backend(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    backend.kill()
    forwarders = start(backend.url)
    store(db, *some(10))
    started = time.monotonic()
    assert forwarders.stop(TIMEOUT_SECONDS)
    assert time.monotonic() - started < TIMEOUT_SECONDS - 10
    assert (0, 10) == (cursor(db).sent, cursor(db).lag)


def test_a_new_destination_begins_with_what_starts_from_now_on(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    store(db, *some(10, start_time_ns=time.time_ns() - 10**10))
    start(backend.url)
    store(db, *some(5, first=11))
    wait_until(lambda: cursor(db).sent == 5, "the new ones")
    assert names(5, first=11) == backend.taken.names


def test_spans_that_were_committed_before_the_destination_was_known_are_sent(
    db: Path, backend: HttpBackend
) -> None:
    [destination] = destinations([backend.url], load(db=str(db)))
    one = Dispatch(destination, open_destinations(db))
    store(db, ended(1, start_time_ns=time.time_ns() - 10**10), *some(2, first=2))
    one.work()
    one.finish()
    assert names(2, first=2) == backend.taken.names


def test_running_spans_are_sent_once_they_have_ended(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    start(backend.url)
    begun = time.time_ns()
    store(db, ended(1, status="running", start_time_ns=begun), ended(2))
    wait_until(lambda: cursor(db).sent == 1, "the ended one")
    store(db, ended(1, start_time_ns=begun))
    wait_until(lambda: cursor(db).sent == 2, "the other one")
    assert names(2) == backend.taken.names
    assert all(span.end_time_unix_nano for span in backend.taken.spans)


def test_only_a_change_of_its_content_makes_a_span_due_again(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    start(backend.url)
    begun = time.time_ns()
    child = ended(2, start_time_ns=begun, role=0)
    store(db, child)
    wait_until(lambda: cursor(db).sent == 1, "the child")
    store(db, child)  # an identical duplicate
    store(db, ended(1, start_time_ns=begun, run_id="late-name"))  # names the run of both
    store(db, ended(3, start_time_ns=begun))
    wait_until(lambda: cursor(db).sent == 3, "the others")
    assert names(3) == backend.taken.names
    store(db, ended(2, start_time_ns=begun, role=0, attributes='{"new":1}'))
    wait_until(lambda: cursor(db).sent == 4, "the changed one")
    assert {"span-1": 1, "span-2": 2, "span-3": 1} == backend.taken.names


def test_deleting_a_run_makes_nothing_due(db: Path, backend: HttpBackend, start: Start) -> None:
    from flujo_otel.spanstore.factory import open_maintenance
    from flujo_otel.spanstore.maintenance import Deleted

    start(backend.url)
    store(db, *some(3, run_id="a"), *some(3, first=11, run_id="b", trace_id="b" * 32))
    wait_until(lambda: cursor(db).sent == 6, "all")
    assert [Deleted("a", was_there=True)] == list(open_maintenance(db).delete_runs(["a"]))
    store(db, *some(1, first=20))
    wait_until(lambda: cursor(db).sent == 7, "the new one")
    assert 7 == len(backend.taken.spans)


def test_two_processes_on_one_store_send_each_span_once(db: Path, backend: HttpBackend) -> None:
    two = [forwarding_process(db, backend.url) for _ in range(2)]
    wait_until(lambda: _known(db) == {backend.url}, "joined")
    for first in range(1, 2000, 100):
        store(db, *some(100, first=first))
    wait_until(lambda: cursor(db).sent == 2000, "all sent")
    for process in two:
        process.communicate("")
    assert names(2000) == backend.taken.names


def test_where_the_sending_process_ends_another_takes_over(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    first = forwarding_process(db, backend.url)
    wait_until(lambda: _known(db) == {backend.url}, "joined")
    store(db, *some(10))
    wait_until(lambda: cursor(db).sent == 10, "10 by the first")
    start(backend.url)
    first.communicate("")
    store(db, *some(10, first=11))
    wait_until(lambda: cursor(db).sent == 20, "20")
    assert names(20) == backend.taken.names


def test_where_the_sending_process_is_killed_another_takes_over_and_nothing_is_lost(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    holder = forwarding_process(db, backend.url)
    wait_until(lambda: _known(db) == {backend.url}, "joined")
    killed = []

    def kill_and_take(handler: object) -> None:
        if not killed:
            killed.append(holder.pid)
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
        ok(handler)  # type: ignore[arg-type]

    backend.otherwise = kill_and_take
    store(db, *some(3000))
    wait_until(lambda: bool(killed), "killed")
    start(backend.url)
    wait_until(lambda: cursor(db).lag == 0, "all sent")
    assert set(names(3000)) == set(backend.taken.names)
    # The page that was under way, and no other, went twice.
    assert len(backend.taken.spans) <= 3000 + dispatch.MOST_SPANS
    for stream in (holder.stdin, holder.stdout):
        assert stream is not None
        stream.close()


def test_a_killed_process_is_nobody_that_sends(db: Path, backend: HttpBackend) -> None:
    """Its lease would hold for half a minute yet."""
    holder = forwarding_process(db, backend.url)
    wait_until(lambda: _known(db) == {backend.url}, "joined")
    store(db, *some(3))
    wait_until(lambda: cursor(db).sent == 3, "sent")
    assert f"{holder.pid}" in (cursor(db).holder or "")
    holder.kill()
    holder.communicate()
    assert cursor(db).holder is None


def test_a_holder_that_lost_its_lease_sends_no_more(
    db: Path, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    [destination] = destinations([backend.url], load(db=str(db)))
    slow = Dispatch(destination, open_destinations(db))
    quick = Dispatch(destination, open_destinations(db))
    slow.work()
    store(db, *some(3))

    def overtaken(handler: object) -> None:
        # While `slow` waits for its answer, its lease runs out and `quick` sends.
        backend.otherwise = ok
        rival = open_destinations(db)
        rival.release(destination.name, slow._token)
        rival.close()
        quick.work()
        ok(handler)  # type: ignore[arg-type]

    backend.otherwise = overtaken
    slow.work()
    assert 3 == cursor(db).sent
    store(db, *some(3, first=4))
    slow.work()
    assert {"span-1", "span-2", "span-3"} == set(backend.taken.names)
    quick.work()
    assert 6 == cursor(db).sent
    slow.finish()
    quick.finish()


def test_a_database_that_is_locked_for_a_while_makes_nothing_go_twice(
    db: Path, backend: HttpBackend
) -> None:
    [destination] = destinations([backend.url], load(db=str(db)))
    one = Dispatch(destination, open_destinations(db, busy_timeout_seconds=0.05))
    one.work()
    store(db, *some(3))
    locker = sqlite3.connect(db, isolation_level=None, check_same_thread=False)

    def lock_for_a_while(handler: object) -> None:
        locker.execute("BEGIN IMMEDIATE")
        threading.Timer(0.5, locker.execute, ("ROLLBACK",)).start()
        ok(handler)  # type: ignore[arg-type]

    backend.replies.append(lock_for_a_while)
    one.work()
    one.work()
    one.finish()
    locker.close()
    assert names(3) == backend.taken.names
    assert 3 == cursor(db).sent


def test_an_expired_lease_is_anybodys(db: Path, backend: HttpBackend) -> None:
    one, other = open_destinations(db), open_destinations(db)
    one.join("x", "http://x", 0)
    assert 0 == one.lease("x", "one", 0.05)
    assert other.lease("x", "other", 10) is None
    wait_until(lambda: other.lease("x", "other", 10) is not None, "expired")
    assert one.lease("x", "one", 10) is None
    one.close()
    other.close()


def test_of_two_that_ask_at_once_for_the_lease_one_gets_it(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = open_destinations(db), open_destinations(db)
    one.join("x", "http://x", 0)
    assert 0 == other.lease("x", "other", 10)
    # As `one` would have seen it a moment before.
    monkeypatch.setattr(stored, "_HOLDER", f"{stored._HOLDER} AND false")
    assert one.lease("x", "one", 10) is None
    one.close()
    other.close()


def test_who_has_outstayed_its_lease_moves_the_position_no_more(db: Path) -> None:
    """Though nobody has taken it: somebody may be about to."""
    one = open_destinations(db)
    one.join("x", "http://x", 0)
    assert 0 == one.lease("x", "one", 0.01)
    time.sleep(0.02)
    assert not one.advance("x", "one", Progress(5, 5, 0, ""))
    assert 0 == one.lease("x", "one", 10)
    assert one.advance("x", "one", Progress(5, 5, 0, ""))
    one.close()


def test_a_filter_lets_only_its_spans_through_and_lags_behind_for_none(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.some]\nendpoint = "{backend.url}"\n'
        '[forward.some.filter]\nservices = ["shop"]\nnames = ["span-1*"]\nstatuses = "failed"\n'
    )
    start("some")
    others = some(1, first=13, status="failed", resource_id=7)  # not the shop's
    store(db, *some(12, status="failed"), *others, *some(12, first=100))
    wait_until(lambda: cursor(db).lag == 0, "settled")
    assert {"span-1", "span-10", "span-11", "span-12"} == set(backend.taken.names)
    assert 4 == cursor(db).sent


def test_100_000_spans_of_away_time_take_bounded_memory(db: Path, backend: HttpBackend) -> None:
    backend.kill()
    process = forwarding_process(db, backend.url)
    wait_until(lambda: _known(db) == {backend.url}, "joined")
    store(db, *some(100_000, attributes='{"text":"' + "x" * 200 + '"}'))
    wait_until(lambda: cursor(db).state is CursorState.RETRYING, "it was tried")
    counts: list[int] = []

    def counted(handler: Handler) -> None:
        counts.append(len(list(spans_of(handler.request_message))))
        handler.answer(200)

    def at_least(expected: int) -> Callable[[], bool]:
        return lambda: sum(counts) >= expected

    backend.otherwise = counted
    backend.revive()
    for expected in range(5_000, 100_001, 5_000):  # a slow machine takes long, but gets on
        wait_until(at_least(expected), f"{expected} sent")
    assert peak_mib(process.pid) < 120
    process.communicate("")
    assert (100_000, 0) == (cursor(db).sent, cursor(db).lag)


def test_a_store_that_is_deleted_under_it_is_joined_anew(
    db: Path, backend: HttpBackend, start: Start
) -> None:
    start(backend.url)
    store(db, *some(5))
    wait_until(lambda: cursor(db).sent == 5, "5 sent")
    for file in db.parent.glob("spans.db*"):
        file.unlink()
    store(db, *some(5, first=6))
    wait_until(lambda: len(backend.taken.spans) >= 10, "the new store's")
    assert names(10) == backend.taken.names
