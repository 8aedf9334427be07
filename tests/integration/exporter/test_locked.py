"""Another process holds the database's write lock: the program does not notice, nothing is lost
within the memory bound, and what is lost beyond it is counted."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.programs import finish, losses, names, start, wait_for_line


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


@contextmanager
def locked(db: Path) -> Iterator[None]:
    holder = sqlite3.connect(db, isolation_level=None, timeout=10)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


PROGRAM = """
    provider = traced()
    tracer = provider.get_tracer("t")
    spans(tracer, 10, "before")
    assert provider.force_flush()
    print("ready", flush=True)
    sys.stdin.readline()
    slowest = 0
    for _ in range({count}):
        started = time.monotonic()
        tracer.start_span("meanwhile").end()
        slowest = max(slowest, time.monotonic() - started)
    flushed = provider.force_flush(1500)
    print(flushed, slowest < 1, flush=True)
    print("done", flush=True)
    sys.stdin.readline()
"""


def test_batches_are_kept_and_written_when_it_lets_go(db: Path) -> None:
    process = start(db, PROGRAM.format(count=3000))
    wait_for_line(process, "ready")
    with locked(db):
        _tell(process, "go")
        wait_for_line(process, "False True")
        wait_for_line(process, "done")
        assert names(db) == {"before": 10}
    _tell(process, "end")
    finish(process)
    assert names(db) == {"before": 10, "meanwhile": 3000}
    assert losses(db) == {}


def test_what_exceeds_the_memory_bound_is_dropped_and_counted(db: Path) -> None:
    process = start(db, PROGRAM.format(count=3000), FLUJO_OTEL_QUEUE_BYTES="1_000_000")
    wait_for_line(process, "ready")
    with locked(db):
        _tell(process, "go")
        wait_for_line(process, "done")
    _tell(process, "end")
    finish(process)
    kept, dropped = names(db)["meanwhile"], losses(db)["queue_full"]
    assert kept + dropped == 3000
    assert 0 < kept < 1000


def _tell(process, line: str) -> None:  # type: ignore[no-untyped-def]
    process.stdin.write(line + "\n")
    process.stdin.flush()


def test_a_fork_meanwhile_is_safe_on_both_sides(db: Path) -> None:
    source = """
        from flujo_otel import forks
        forks.PAUSE_SECONDS = 30  # on a machine under load
        provider = traced()
        tracer = provider.get_tracer("t")
        spans(tracer, 10, "before")
        assert provider.force_flush()
        print("ready", flush=True)
        sys.stdin.readline()
        spans(tracer, 10, "parent")
        time.sleep(0.3)
        children = []
        for _ in range(5):
            child = os.fork()
            if not child:
                spans(tracer, 10, "child")
                os._exit(0 if provider.force_flush() else 1)
            children.append(child)
        print("forked", flush=True)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
    """
    process = start(db, source)
    wait_for_line(process, "ready")
    with locked(db):
        _tell(process, "go")
        wait_for_line(process, "forked")
    finish(process)
    assert names(db) == {"before": 10, "child": 50, "parent": 10}
    assert losses(db) == {}
