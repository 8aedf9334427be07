"""SIGTERM: everything made so far is kept, and the process ends by the signal as it would have."""

import signal
import sqlite3
import time
from pathlib import Path
from textwrap import dedent

import pytest

from support.programs import finish, is_sound, names, query, run, start, wait_for_line

WAIT = "sys.stdin.read()\n"
UNDER_LOAD = """
    tracer = traced().get_tracer("t")
    root = tracer.start_span("root")
    context = trace.set_span_in_context(root)
    print("ready", flush=True)
    for number in itertools.count():
        with tracer.start_as_current_span("work", context=context) as span:
            span.set_attribute("number", number)
            span.add_event("event", {"number": number})
            root.set_attribute("number", number)
        os.pwrite(progress, number.to_bytes(8, "big"), 0)
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def test_under_load_it_never_hangs_and_loses_nothing_many_times_over(tmp_path: Path) -> None:
    """The signal comes anywhere: within the SDK, within ours, with one of a span's locks held."""
    for number in range(24):
        db = tmp_path / str(number) / "spans.db"
        db.parent.mkdir()
        (db.parent / "progress").write_bytes(bytes(8))
        process = start(db, 'progress = os.open("progress", os.O_RDWR)\n' + dedent(UNDER_LOAD))
        wait_for_line(process, "ready")
        time.sleep(0.05 + 0.007 * number)
        process.terminate()
        finish(process, status=-signal.SIGTERM)
        ended = int.from_bytes((db.parent / "progress").read_bytes(), "big")
        kept = names(db)["work"]
        assert kept > ended
        assert names(db, "running")["root"] == 1
        last = "SELECT MAX(json_extract(attributes, '$.number')) FROM spans WHERE name = 'work'"
        assert query(db, last + " AND status = 'completed'") == [(kept - 1,)]


def test_two_signals_end_it_as_one_does(db: Path) -> None:
    process = start(db, 'spans(traced().get_tracer("t"), 500)\nprint("ready", flush=True)\n' + WAIT)
    wait_for_line(process, "ready")
    process.terminate()
    process.terminate()
    finish(process, status=-signal.SIGTERM)
    assert names(db) == {"span": 500}


@pytest.mark.parametrize("handler", ["lambda *_: print('mine', flush=True)", "signal.SIG_IGN"])
def test_a_handler_that_is_there_already_stays(db: Path, handler: str) -> None:
    source = f"""
        handler = {handler}
        signal.signal(signal.SIGTERM, handler)
        spans(traced().get_tracer("t"), 5)
        assert signal.getsignal(signal.SIGTERM) is handler
        signal.raise_signal(signal.SIGTERM)
    """
    run(db, source)
    assert names(db) == {"span": 5}


def test_a_handler_that_the_program_sets_later_replaces_ours(db: Path) -> None:
    source = """
        spans(traced().get_tracer("t"), 5)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
        signal.raise_signal(signal.SIGTERM)
    """
    run(db, source, status=9)
    assert names(db) == {"span": 5}


def test_off_the_main_thread_no_handler_is_installed(db: Path) -> None:
    source = """
        thread = threading.Thread(target=traced)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    run(db, source)


def test_a_second_setup_on_the_main_thread_installs_it(db: Path) -> None:
    source = """
        thread = threading.Thread(target=traced)
        thread.start()
        thread.join()
        spans(traced().get_tracer("t"), 5)
        signal.raise_signal(signal.SIGTERM)
    """
    run(db, source, status=-signal.SIGTERM)
    assert names(db) == {"span": 5}


def test_a_locked_database_does_not_keep_the_process_alive(db: Path) -> None:
    """The program prints how long its handler took: 2 s are allowed to the flush."""
    source = """
        from flujo_otel_exporter import termination, writer
        writer.EXIT_SECONDS = 60
        provider = traced()
        spans(provider.get_tracer("t"), 5, "early")
        assert provider.force_flush()
        print("ready", flush=True)
        sys.stdin.readline()
        spans(provider.get_tracer("t"), 5, "late")
        started = time.monotonic()
        def die():
            print(time.monotonic() - started, flush=True)
            os._exit(0)
        termination._die = die
        signal.raise_signal(signal.SIGTERM)
    """
    process = start(db, source)
    wait_for_line(process, "ready")
    holder = sqlite3.connect(db, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    output, _ = process.communicate("go\n", timeout=60)
    holder.execute("ROLLBACK")
    holder.close()
    assert 1.9 < float(output) < 30
    assert names(db) == {"early": 5}


def test_during_the_flush_at_exit_it_waits_for_the_flush(db: Path) -> None:
    """The main thread holds then what the handler would wait for."""
    source = """
        from flujo_otel_exporter.delivery import Delivery
        provider = traced()
        spans(provider.get_tracer("t"), 5)
        original = Delivery.step
        def step(self):
            if threading.current_thread() is threading.main_thread():
                signal.raise_signal(signal.SIGTERM)
            return original(self)
        Delivery.step = step
    """
    run(db, source, status=-signal.SIGTERM)
    assert names(db) == {"span": 5}
    assert is_sound(db)


def test_a_forked_child_dies_of_it_too_with_its_spans_kept(db: Path) -> None:
    source = """
        provider = traced()
        spans(provider.get_tracer("t"), 5, "parent")
        child = os.fork()
        if not child:
            spans(provider.get_tracer("t"), 5, "child")
            signal.raise_signal(signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    """
    run(db, source)
    assert names(db) == {"child": 5, "parent": 5}


def test_a_child_that_is_terminated_as_soon_as_it_is_forked_dies_of_it(db: Path) -> None:
    """Python forgets a signal that came to a child before its hooks after the fork."""
    source = """
        traced()
        for _ in range(20):
            child = os.fork()
            if not child:
                time.sleep(10)
                os._exit(0)
            os.kill(child, signal.SIGTERM)
            assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    """
    run(db, source)


def test_a_signal_amid_a_fork_loses_nothing(db: Path) -> None:
    source = """
        from flujo_otel_exporter.writer import StoreWriter
        original = StoreWriter.pause
        def pause(self):
            os.kill(os.getpid(), signal.SIGTERM)
            return original(self)
        StoreWriter.pause = pause
        spans(traced().get_tracer("t"), 5)
        os.fork()
    """
    run(db, source, status=-signal.SIGTERM, FLUJO_OTEL_FLUSH_INTERVAL="60")
    assert names(db) == {"span": 5}


def test_a_fork_leaves_the_threads_signals_as_they_were(db: Path) -> None:
    source = """
        traced()
        def blocked():
            return signal.pthread_sigmask(signal.SIG_BLOCK, ())
        for number in ((), {signal.SIGTERM}, {signal.SIGUSR1}):
            signal.pthread_sigmask(signal.SIG_SETMASK, number)
            child = os.fork()
            assert blocked() == set(number)
            if not child:
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    """
    run(db, source)


@pytest.mark.parametrize("how", ["SIG_BLOCK", "SIG_SETMASK"])
def test_after_a_ctrl_c_amid_a_fork_it_still_ends_the_process(db: Path, how: str) -> None:
    """Python runs handlers within `pthread_sigmask`, and drops what they raise within a hook."""
    source = f"""
        spans(traced().get_tracer("t"), 5)
        real = signal.pthread_sigmask

        def interrupted(how, signals):
            found = real(how, signals)
            if how == signal.{how} and (how == signal.SIG_SETMASK or signals):
                raise KeyboardInterrupt
            return found

        signal.pthread_sigmask = interrupted
        sys.unraisablehook = lambda _: None
        if not (child := os.fork()):
            os._exit(0)
        os.waitpid(child, 0)
        signal.raise_signal(signal.SIGTERM)
    """
    run(db, source, status=-signal.SIGTERM)
    assert names(db) == {"span": 5}
