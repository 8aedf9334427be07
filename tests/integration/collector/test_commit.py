"""Group commit on the real store: acknowledged is stored, whatever happens to the file."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Timer
from typing import Any

import pytest

from flujo_otel import guard
from flujo_otel.collector import pressure
from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.commit import GroupCommit
from flujo_otel.collector.received import Received
from flujo_otel.errors import ForeignDatabase, Overloaded, StoreUnavailable
from flujo_otel.model import Batch
from flujo_otel.spanstore.backlog import CollectorStore
from flujo_otel.spanstore.factory import open_collector_store
from flujo_otel.wire.otlp import Decoded, decode_protobuf
from flujo_otel.wire.partial_success import ALL_WELL, PartialSuccess
from support import otlp
from support.fake_store import FakeStore

SOON = 20.0


def decoded(*numbers: int, **given: Any) -> Decoded:
    spans = [otlp.span(number, **given) for number in numbers]
    return decode_protobuf(otlp.request(*spans).SerializeToString())


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "otel.db"


def opener(db: Path) -> Callable[[], CollectorStore]:
    return partial(open_collector_store, db, busy_timeout_seconds=0.05)


@contextmanager
def committing(
    open_store: Callable[[], CollectorStore],
    queue_bytes: int = 1 << 20,
    patience_seconds: float = SOON,
) -> Iterator[GroupCommit]:
    commit = GroupCommit(open_store, queue_bytes, patience_seconds=patience_seconds)
    try:
        yield commit
    finally:
        commit.close(SOON)


def stored(db: Path) -> int:
    connection = sqlite3.connect(db)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM spans").fetchone()[0])
    finally:
        connection.close()


def ledger(db: Path, reason: str) -> list[tuple[str, str, int]]:
    connection = sqlite3.connect(db)
    try:
        return connection.execute(
            "SELECT service, detail, count FROM ledger WHERE reason = ? ORDER BY 1, 2", (reason,)
        ).fetchall()
    finally:
        connection.close()


def running(program: str, *arguments: str) -> "subprocess.Popen[str]":
    """`program` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_a_future_resolves_when_the_spans_can_be_read(db: Path) -> None:
    with committing(opener(db)) as commit:
        assert ALL_WELL == commit.submit(decoded(1, 2), 100).result(SOON)
        assert 2 == stored(db)
        assert (2, 2, 0, 0) == commit.counts


class Slow(FakeStore):
    """Its first write waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = Event(), Event()

    def write(self, batch: Batch) -> Any:
        self.begun.set()
        self.go.wait(SOON)
        return super().write(batch)


@contextmanager
def held(commit: GroupCommit, store: Slow) -> Iterator[Future[PartialSuccess]]:
    """A first request is being written, so that others wait together."""
    first = commit.submit(decoded(1), 100)
    assert store.begun.wait(SOON)
    yield first
    store.go.set()


def test_requests_that_wait_together_are_written_together() -> None:
    store = Slow()
    with committing(lambda: store) as commit:
        with held(commit, store) as first:
            others = [commit.submit(decoded(number), 100) for number in range(2, 12)]
        wait([first, *others], SOON)
        assert [1, 10] == [len(batch.records) for batch in store.batches]
        assert [1, 1] == [len(batch.resources) for batch in store.batches]


def test_where_much_comes_it_is_answered_before_it_is_rows_and_they_are_made_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = FakeStore()
    monkeypatch.setattr(pressure, "_WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(pressure, "_SHARED", -1.0)
    monkeypatch.setattr(pressure, "_GROUPS", 0)
    monkeypatch.setattr(pressure, "_LESS", -1.0)
    monkeypatch.setattr(pressure, "_FULL_WINDOWS", 10**9)
    with committing(lambda: store) as commit:
        for number in range(1, 12):
            body = Received(otlp.request(otlp.span(number)).SerializeToString())
            commit.submit(body.decoded(), 100, body).result(SOON)
        assert (1, 10, 11) == (len(store.records), len(store.kept), commit.counts.stored)
    assert [1, 10] == [len(batch.records) for batch in store.batches]
    assert [] == store.kept


def test_what_is_rejected_is_told_to_the_request_that_had_it(db: Path) -> None:
    store = Slow()
    store.refuse = {"span-3"}
    with committing(lambda: store) as commit:
        with held(commit, store):
            sound = commit.submit(decoded(2), 100)
            bad = commit.submit(decoded(3, 4), 100)
            undecodable = commit.submit(decoded(5, trace_id=b""), 100)
        assert ALL_WELL == sound.result(SOON)
        assert PartialSuccess({"does not fit": 1}) == bad.result(SOON)
        assert 1 == undecodable.result(SOON).rejected_spans
        assert 2 == commit.counts.rejected
    noted = {(loss.service, loss.reason, loss.detail): loss.count for loss in store.losses}
    assert 1 == noted["app", "rejected", "does not fit"]
    assert 1 == noted["app", "rejected", "a trace id of 0 bytes (OTLP's have 16)"]


def test_the_ledger_shows_what_was_rejected_per_service(db: Path) -> None:
    with committing(opener(db)) as commit:
        commit.submit(decoded(1, span_id=b"", dropped_events_count=2), 100).result(SOON)
        commit.submit(decoded(2, dropped_events_count=2), 100).result(SOON)
    assert [("app", "a span id of 0 bytes (OTLP's have 8)", 1)] == ledger(db, "rejected")
    assert [("app", "by the program that sent it", 1)] == ledger(db, "truncated")


def test_above_the_bound_requests_are_refused_and_told_when_to_come_again() -> None:
    store = Slow()
    with committing(lambda: store, queue_bytes=10_000) as commit:
        with held(commit, store) as first:
            accepted = []
            with pytest.raises(Overloaded) as refused:
                for number in range(2, 100):
                    accepted.append(commit.submit(decoded(number), 100))
            assert refused.value.retry_after_seconds > 0
            assert 1 <= len(accepted) < 10
        wait([first, *accepted], SOON)
        assert ALL_WELL == commit.submit(decoded(200), 100).result(SOON)
    assert len(store.records) == len(accepted) + 2


def test_one_request_larger_than_the_bound_is_taken_when_nothing_else_waits(db: Path) -> None:
    with committing(opener(db), queue_bytes=1) as commit:
        assert ALL_WELL == commit.submit(decoded(*range(1, 50)), 5000).result(SOON)


def test_a_locked_database_delays_the_answer_and_loses_nothing(db: Path) -> None:
    with committing(opener(db)) as commit:
        commit.submit(decoded(1), 100).result(SOON)
        locker = sqlite3.connect(db, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        waiting = commit.submit(decoded(2), 100)
        while commit.unavailable is None:
            time.sleep(0.01)
        assert not waiting.done()
        locker.execute("COMMIT")
        locker.close()
        assert ALL_WELL == waiting.result(SOON)
        assert commit.unavailable is None
    assert 2 == stored(db)


def test_when_its_time_is_up_a_request_fails_and_is_not_held_any_longer(db: Path) -> None:
    with committing(opener(db), patience_seconds=0.3) as commit:
        commit.submit(decoded(1), 100).result(SOON)
        locker = sqlite3.connect(db, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        late = [commit.submit(decoded(number), 100) for number in (2, 3)]
        for future in late:
            with pytest.raises(StoreUnavailable, match="locked"):
                future.result(SOON)
        locker.execute("ROLLBACK")
        locker.close()
        assert ALL_WELL == commit.submit(decoded(4), 100).result(SOON)
        assert 2 == commit.counts.stored
    assert 2 == stored(db)


def test_a_full_disk_is_told_and_spans_are_stored_again_when_there_is_room(db: Path) -> None:
    with committing(opener(db), patience_seconds=0.3) as commit:
        commit.submit(decoded(1), 100).result(SOON)
        # SQLite's own bound on the file's size fails a write the way a full disk does.
        connection = commit._store._open.connection  # type: ignore[union-attr]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        large = decoded(*range(2, 500), name="n" * 1000)
        with pytest.raises(StoreUnavailable, match="full"):
            commit.submit(large, 100).result(SOON)
        connection.execute("PRAGMA max_page_count = 1000000")
        assert ALL_WELL == commit.submit(large, 100).result(SOON)
    assert 499 == stored(db)


def test_a_deleted_database_is_made_again_with_what_comes_then(db: Path) -> None:
    with committing(opener(db)) as commit:
        commit.submit(decoded(1), 100).result(SOON)
        for file in db.parent.glob("otel.db*"):
            file.unlink()
        assert ALL_WELL == commit.submit(decoded(2), 100).result(SOON)
    assert 1 == stored(db)
    assert [1] == [count for _, _, count in ledger(db, "database_replaced")]


def test_a_file_that_cannot_be_opened_is_told_and_found_again_when_it_can(tmp_path: Path) -> None:
    """A folder in the file's place: what even root cannot open."""
    db = tmp_path / "otel.db"
    db.mkdir()
    with committing(opener(db), patience_seconds=0.2) as commit:
        with pytest.raises((StoreUnavailable, ForeignDatabase)):
            commit.submit(decoded(1), 100).result(SOON)
        db.rmdir()
        assert ALL_WELL == commit.submit(decoded(2), 100).result(SOON)
    assert 1 == stored(db)


def test_a_read_only_database_is_told_and_written_when_it_is_writable_again(
    tmp_path: Path,
) -> None:
    program = """
        import os, sys
        from functools import partial
        from flujo_otel.collector.commit import GroupCommit
        from flujo_otel.errors import StoreUnavailable
        from flujo_otel.spanstore.factory import open_collector_store
        from flujo_otel.wire.otlp import decode_protobuf
        from support import otlp

        def answer(number):
            body = otlp.request(otlp.span(number)).SerializeToString()
            try:
                return commit.submit(decode_protobuf(body), len(body)).result(20)
            except StoreUnavailable as error:
                return f"unavailable: {error}"

        # all that is imported late
        open_collector_store(sys.argv[2]).write(decode_protobuf(b"").batch)
        if os.geteuid() == 0:  # whom modes of files do not stop
            os.seteuid(65534)
        open_store = partial(open_collector_store, sys.argv[1], busy_timeout_seconds=0.05)
        commit = GroupCommit(open_store, 1 << 20, patience_seconds=0.3)
        for number in (1, 2):
            print(answer(number), flush=True)
            sys.stdin.readline()
        commit.close(10)
    """
    with TemporaryDirectory() as folder:
        db = Path(folder) / "otel.db"
        with closing(open_collector_store(db)) as writer:
            writer.write(decoded(9).batch)
        Path(folder).chmod(0o555)
        db.chmod(0o444)
        with running(program, str(db), str(tmp_path / "other.db")) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline().startswith("unavailable: ")
            Path(folder).chmod(0o777)
            for file in Path(folder).iterdir():
                file.chmod(0o666)
            print(file=process.stdin, flush=True)
            assert f"{ALL_WELL}\n" == process.stdout.readline()
            print(file=process.stdin, flush=True)
        assert 2 == stored(db)


def test_another_programs_file_fails_at_once_and_is_not_touched(db: Path) -> None:
    connection = sqlite3.connect(db)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = db.read_bytes()
    with committing(opener(db)) as commit, pytest.raises(ForeignDatabase):
        commit.submit(decoded(1), 100).result(SOON)
    assert before == db.read_bytes()


def test_a_fault_met_with_one_request_costs_no_other() -> None:
    class Faulty(Slow):
        def write(self, batch: Batch) -> Any:
            if any(record.name == "span-3" for record in batch.records):
                raise ZeroDivisionError
            return super().write(batch)

    store = Faulty()
    with committing(lambda: store) as commit:
        with held(commit, store):
            others = [commit.submit(decoded(number), 100) for number in (2, 3, 4)]
        assert [ALL_WELL, ALL_WELL] == [others[n].result(SOON) for n in (0, 2)]
        with pytest.raises(ZeroDivisionError):
            others[1].result(SOON)
    assert [("app", "internal_error", "ZeroDivisionError", 1)] == [
        (loss.service, loss.reason, loss.detail, loss.count)
        for loss in store.losses
        if loss.reason != "fault"
    ]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """None yet; they are swallowed, as in a user's program."""
    monkeypatch.setattr(guard, "_counts", {})
    monkeypatch.delenv(guard.RAISE_VARIABLE, raising=False)


@pytest.mark.usefixtures("faults")
def test_faults_of_the_whole_process_since_the_start_are_counted_in_the_ledger(db: Path) -> None:
    guard.report("before", ZeroDivisionError())
    with committing(opener(db)):
        for what in ("receiving", "forwarding to tempo", "receiving"):
            guard.report(what, ZeroDivisionError())
    told = ledger(db, "fault")
    assert [("forwarding to tempo", 1), ("receiving", 2)] == [line[1:] for line in told]


class Garbled(FakeStore):
    """Commits, and then says something that nobody can read."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.answers = answers

    def write(self, batch: Batch) -> Any:
        written = super().write(batch)
        self.answers -= 1
        return written._replace(rejected=[None]) if self.answers >= 0 else written


@pytest.mark.usefixtures("faults")
def test_a_fault_behind_the_write_is_answered_and_counted_and_the_next_are_written() -> None:
    store = Garbled(answers=1)
    with committing(lambda: store) as commit:
        with pytest.raises(StoreUnavailable, match="send it again"):
            commit.submit(decoded(1), 100).result(SOON)
        for number in (1, 2):
            assert ALL_WELL == commit.submit(decoded(number), 100).result(SOON)
    assert [("fault", "answering requests", 1)] == [
        (loss.reason, loss.detail, loss.count) for loss in store.losses
    ]


class Deadly(Slow):
    """Ends the thread that writes."""

    def write(self, batch: Batch) -> Any:
        super().write(batch)
        raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_where_the_writers_thread_dies_nobody_waits_for_it() -> None:
    store = Deadly()
    with committing(lambda: store) as commit:
        with held(commit, store) as first:
            others = [commit.submit(decoded(number), 100) for number in (2, 3)]
        for future in (first, *others):
            with pytest.raises(StoreUnavailable):
                future.result(SOON)
        with pytest.raises(Refusal) as refused:
            commit.submit(decoded(4), 100)
        assert 503 == refused.value.http
        assert not commit.close(SOON)


def test_close_writes_what_waits_and_takes_no_more(db: Path) -> None:
    commit = GroupCommit(opener(db), 1 << 20)
    futures = [commit.submit(decoded(number), 100) for number in range(1, 30)]
    assert commit.close(SOON)
    assert all(future.done() for future in futures)
    assert 29 == stored(db)
    with pytest.raises(Refusal, match="stops") as caught:
        commit.submit(decoded(99), 100)
    assert (503, 1.0) == (caught.value.http, caught.value.retry_after_seconds)


def test_close_writes_what_waits_behind_a_write_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, writing, goes_on = FakeStore(), Event(), Event()
    write = store.write

    def slow(batch: Batch) -> Any:
        writing.set()
        assert goes_on.wait(SOON)
        return write(batch)

    monkeypatch.setattr(store, "write", slow)
    commit = GroupCommit(lambda: store, 1 << 20)
    futures = [commit.submit(decoded(1), 100)]
    assert writing.wait(SOON)
    futures.append(commit.submit(decoded(2), 100))
    Timer(0.05, goes_on.set).start()
    assert commit.close(SOON)
    assert [ALL_WELL, ALL_WELL] == [future.result(0) for future in futures]
    assert 2 == len(store.records)


def test_close_tells_of_what_waits_and_not_of_a_write_that_failed_before(db: Path) -> None:
    store = FakeStore()
    commit = GroupCommit(lambda: store, 1 << 20)
    store.failing = ForeignDatabase("another program's")
    with pytest.raises(ForeignDatabase):
        commit.submit(decoded(1), 100).result(SOON)
    assert commit.close(SOON)


def test_close_waits_no_longer_than_it_was_told_and_says_what_is_not_stored(db: Path) -> None:
    commit = GroupCommit(opener(db), 1 << 20)
    commit.submit(decoded(1), 100).result(SOON)
    locker = sqlite3.connect(db, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    future = commit.submit(decoded(2), 100)
    assert not commit.close(0.2)
    with pytest.raises(StoreUnavailable):
        future.result(SOON)
    locker.close()


def test_what_is_acknowledged_survives_sigkill(db: Path) -> None:
    program = """
        import sys
        from functools import partial
        from flujo_otel.collector.commit import GroupCommit
        from flujo_otel.spanstore.factory import open_collector_store
        from flujo_otel.wire.otlp import decode_protobuf
        from support import otlp

        commit = GroupCommit(partial(open_collector_store, sys.argv[1]), 1 << 22)
        number = 0
        while True:
            numbers = range(number + 1, number + 11)
            body = otlp.request(*map(otlp.span, numbers)).SerializeToString()
            commit.submit(decode_protobuf(body), len(body)).result()
            number += 10
            print(number, flush=True)
    """
    with running(program, str(db)) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
        acknowledged += map(int, process.stdout.read().split())
    assert acknowledged[-1] >= 200
    assert stored(db) >= acknowledged[-1]
