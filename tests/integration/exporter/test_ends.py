"""How a traced process may end, and what is in the store then."""

import time
from pathlib import Path

import pytest

from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from support.programs import (
    TIMEOUT_SECONDS,
    finish,
    is_sound,
    names,
    query,
    run,
    start,
    wait_for_line,
    wait_for_spans,
)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def _wait_until_written(
    db: Path, completed: dict[str, int], running: dict[str, int] | None = None
) -> None:
    """By a program that goes on, and that nobody asked for a flush."""
    wait_for_spans(db)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (names(db), names(db, "running")) != (completed, running or {}):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_normal_end_keeps_every_span(db: Path) -> None:
    run(db, "spans(traced().get_tracer('t'), 500)")
    assert names(db) == {"span": 500}


def test_a_normal_end_leaves_no_write_ahead_log_behind(db: Path) -> None:
    run(db, "spans(traced().get_tracer('t'), 5)")
    assert not db.with_name("spans.db-wal").exists()


def test_a_span_open_at_the_end_is_there_as_running(db: Path) -> None:
    run(db, "traced().get_tracer('t').start_span('open')")
    assert names(db, "running") == {"open": 1}


def test_an_uncaught_exception_keeps_every_span(db: Path) -> None:
    _, errors = run(db, "spans(traced().get_tracer('t'), 500)\nraise KeyError('mine')", status=1)
    assert errors.strip().endswith("KeyError: 'mine'")
    assert names(db) == {"span": 500}


def test_sys_exit_keeps_its_status_and_every_span(db: Path) -> None:
    run(db, "spans(traced().get_tracer('t'), 500)\nsys.exit(7)", status=7)
    assert names(db) == {"span": 500}


def test_spans_made_while_the_process_ends_are_kept_as_long_as_their_provider_lives(
    db: Path,
) -> None:
    """The provider's own shutdown is registered before, so it runs after this."""
    source = """
        provider = traced()
        atexit.register(lambda: spans(provider.get_tracer("t"), 5, "late"))
        spans(provider.get_tracer("t"), 5, "early")
    """
    run(db, source)
    assert names(db) == {"early": 5, "late": 5}


def test_the_flush_at_exit_starts_no_thread(db: Path) -> None:
    """Python 3.12 refuses to start one then; here every Python does."""
    source = """
        from flujo_otel_exporter import writer
        def refuse(*_):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        provider = traced()
        def late():
            writer.start_new_thread = refuse
            spans(provider.get_tracer("t"), 5, "late")
        atexit.register(late)
        spans(provider.get_tracer("t"), 5, "early")
    """
    run(db, source)
    assert names(db) == {"early": 5, "late": 5}


def test_without_threads_at_all_everything_is_written_at_the_end(db: Path) -> None:
    source = """
        from flujo_otel_exporter import writer
        def refuse(*_):
            raise RuntimeError("can't start new thread")
        writer.start_new_thread = refuse
        spans(traced().get_tracer("t"), 50)
    """
    run(db, source)
    assert names(db) == {"span": 50}


def test_os_exit_loses_no_more_than_the_last_interval(db: Path) -> None:
    source = """
        tracer = traced().get_tracer("t")
        spans(tracer, 300, "early")
        sys.stdin.readline()
        spans(tracer, 300, "late")
        os._exit(3)
    """
    process = start(db, source)
    _wait_until_written(db, completed={"early": 300})
    assert process.stdin is not None
    process.stdin.write("go on\n")
    finish(process, status=3)
    assert names(db)["early"] == 300


def test_sigkill_loses_no_more_than_the_last_interval(db: Path) -> None:
    source = """
        tracer = traced().get_tracer("t")
        still_open = tracer.start_span("open")
        spans(tracer, 300)
        sys.stdin.read()
    """
    process = start(db, source)
    _wait_until_written(db, completed={"span": 300}, running={"open": 1})
    process.kill()
    finish(process, status=-9)
    assert names(db) == {"span": 300}
    assert names(db, "running") == {"open": 1}


def test_sigkill_amid_a_flood_leaves_a_sound_database(db: Path) -> None:
    process = start(db, "spans(traced().get_tracer('t'), 10**9)")
    wait_for_spans(db)
    process.kill()
    finish(process, status=-9)
    assert names(db)["span"] > 0
    assert is_sound(db)


def test_a_provider_shut_down_takes_nothing_from_another_one(db: Path) -> None:
    source = """
        first, second = traced(), traced()
        spans(first.get_tracer("t"), 5, "first")
        first.shutdown()
        spans(first.get_tracer("t"), 5, "after its shutdown")
        spans(second.get_tracer("t"), 5, "second")
    """
    run(db, source)
    assert names(db) == {"first": 5, "second": 5}


def test_a_killed_run_is_known_to_have_lived_until_shortly_before(db: Path) -> None:
    """Open spans tell nothing of how long; so the writer says now and then that it lives."""
    program = start(
        db, "traced().get_tracer('t').start_span('open'); print('up', flush=True); time.sleep(60)"
    )
    wait_for_line(program, "up")
    started_ns = time.time_ns()
    wait_for_spans(db)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while query(db, "SELECT MAX(seen_at_ns) FROM writers")[0][0] < started_ns + 1_000_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    program.kill()
    program.communicate()
    reader = SQLiteTraceReader(db)
    [died] = reader.list_runs(RunFilter(status="died"), 10)
    reader.close()
    assert died.last_time_ns - started_ns > 1_000_000_000
