"""fork(): both sides' spans arrive, none twice, and the database stays sound."""

from pathlib import Path
from textwrap import dedent

import pytest

from support.programs import is_sound, losses, names, query, run

PATIENT = """
# On a machine under load a write may take longer than the 0.25 s that a fork waits for it.
from flujo_otel import forks
forks.PAUSE_SECONDS = 30
"""
REAP = """
def fork(body):
    child = os.fork()
    if child:
        return child
    try:
        body()
        os._exit(0)
    finally:
        os._exit(1)

def reap(children):
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
"""
FLOOD = """
going, made = True, 0

def flood(tracer):
    global made
    while going:
        spans(tracer, 100, "flood")
        made += 100
        time.sleep(0.001)

def flooding(tracer):
    thread = threading.Thread(target=flood, args=(tracer,), daemon=True)
    thread.start()
    return thread
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def test_both_sides_spans_arrive_where_the_writer_was_busy_at_each_fork(db: Path) -> None:
    source = """
        provider = traced()
        tracer = provider.get_tracer("t")
        thread = flooding(tracer)
        children = []
        for number in range(20):
            def body():
                spans(tracer, 25, f"child")
                assert provider.force_flush()
            children.append(fork(body))
            spans(tracer, 25, "parent")
        reap(children)
        going = False
        thread.join()
        print(made)
    """
    output, _ = run(db, PATIENT + REAP + FLOOD + dedent(source))
    assert names(db) == {"child": 500, "flood": int(output), "parent": 500}
    assert losses(db) == {}
    assert is_sound(db)


def test_a_prefork_server_and_its_workers_each_write_their_own_spans(db: Path) -> None:
    """As gunicorn does it: the application is loaded, and traces, before the workers are forked;
    they end by sys.exit."""
    source = """
        tracer = traced().get_tracer("t")
        spans(tracer, 10, "loading")
        workers = []
        for number in range(3):
            child = os.fork()
            if not child:
                for _ in range(5):
                    spans(tracer, 20, f"worker {number}")
                    time.sleep(0.05)
                sys.exit(0)
            workers.append(child)
        spans(tracer, 10, "master")
        for child in workers:
            assert os.waitpid(child, 0)[1] == 0
    """
    run(db, PATIENT + dedent(source))
    workers = {f"worker {number}": 100 for number in range(3)}
    assert names(db) == {"loading": 10, "master": 10, **workers}


def test_what_is_queued_at_a_fork_is_written_by_the_parent_alone(db: Path) -> None:
    """Each side notes what it writes: the store itself would hide a second time."""
    source = """
        from opentelemetry import trace
        from flujo_otel.spanstore.factory import open_writer
        from flujo_otel_exporter import registry
        class Noting:
            def __init__(self, store):
                self._store = store
            def write(self, batch):
                with open("noted", "a") as file:
                    file.writelines(record.name + "\\n" for record in batch.records)
                return self._store.write(batch)
            def count_losses(self, losses):
                self._store.count_losses(losses)
            def beat(self):
                self._store.beat()
            def close(self):
                self._store.close()
            def interrupt(self):
                self._store.interrupt()
        registry.open_writer = lambda **given: Noting(open_writer(**given))
        provider = traced()
        tracer = provider.get_tracer("t")
        open_span = tracer.start_span("open")
        with trace.use_span(open_span):  # the end of a run would be written at once
            spans(tracer, 10, "queued")
        def body():
            spans(tracer, 10, "child")
            open_span.end()
            assert provider.force_flush()
        reap([fork(body)])
        open_span.end()
    """
    run(db, PATIENT + REAP + dedent(source), FLUJO_OTEL_FLUSH_INTERVAL="60")
    noted = (db.parent / "noted").read_text().split()
    assert sorted(["open"] + ["queued"] * 10 + ["child"] * 10) == sorted(noted)


def test_a_span_open_at_the_fork_ends_where_it_was_started(db: Path) -> None:
    source = """
        provider = traced()
        span = provider.get_tracer("t").start_span("open")
        def body():
            span.set_attribute("ended by", "child")
            span.end()
            assert provider.force_flush()
        reap([fork(body)])
        span.set_attribute("ended by", "parent")
        span.end()
    """
    run(db, PATIENT + REAP + dedent(source))
    ended_by = "SELECT json_extract(attributes, '$.\"ended by\"') FROM spans"
    assert query(db, ended_by) == [("parent",)]


def test_a_childs_spans_belong_to_the_run_that_was_open_at_the_fork(db: Path) -> None:
    source = """
        provider = traced()
        tracer = provider.get_tracer("t")
        with tracer.start_as_current_span("run", attributes={"flujo.run_id": "r1"}):
            def body():
                spans(tracer, 1, "child")
                assert provider.force_flush()
            reap([fork(body)])
    """
    run(db, PATIENT + REAP + dedent(source))
    assert query(db, "SELECT name, run_id FROM spans ORDER BY name") == [
        ("child", "r1"),
        ("run", "r1"),
    ]


def test_a_childs_ids_are_not_its_siblings(db: Path) -> None:
    source = """
        provider = traced()
        tracer = provider.get_tracer("t")
        def body():
            spans(tracer, 100, "child")
            assert provider.force_flush()
        reap([fork(body) for _ in range(3)])
    """
    run(db, PATIENT + REAP + dedent(source))
    assert names(db) == {"child": 300}
    # The random parts: of two that start in one moment the time is the same.
    randoms = "COUNT(DISTINCT substr(trace_id, 17)), COUNT(DISTINCT substr(otel_span_id, 7))"
    assert query(db, f"SELECT {randoms} FROM spans") == [(300, 300)]


def test_a_grandchild_is_traced_too(db: Path) -> None:
    source = """
        provider = traced()
        tracer = provider.get_tracer("t")
        spans(tracer, 3, "parent")
        def grandchild():
            spans(tracer, 3, "grandchild")
            assert provider.force_flush()
        def child():
            spans(tracer, 3, "child")
            reap([fork(grandchild)])
            assert provider.force_flush()
        reap([fork(child)])
    """
    run(db, PATIENT + REAP + dedent(source))
    assert names(db) == {"child": 3, "grandchild": 3, "parent": 3}


def test_what_runs_in_a_child_is_seen_and_stays_when_that_is_killed(db: Path) -> None:
    source = """
        import signal, sqlite3, time
        provider = traced()
        tracer = provider.get_tracer("t")
        spans(tracer, 1, "parent")
        child = os.fork()
        if child == 0:
            with tracer.start_as_current_span("child"):
                time.sleep(30)
        for _ in range(1000):
            time.sleep(0.02)
            if provider.force_flush():
                with sqlite3.connect(DB) as connection:
                    if connection.execute("SELECT 1 FROM spans WHERE name = 'child'").fetchone():
                        break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    """
    run(db, PATIENT + dedent(source).replace("DB", repr(str(db))))
    statuses = "SELECT name, status FROM spans ORDER BY name"
    assert query(db, statuses) == [("child", "running"), ("parent", "completed")]


def test_a_fork_amid_a_write_that_hangs_neither_waits_for_it_nor_touches_the_database(
    db: Path,
) -> None:
    """The child drops its spans and says so once: its own connection could damage the file. The
    parent counts the child."""
    source = """
        import logging
        from flujo_otel.spanstore.factory import open_writer
        from flujo_otel_exporter import registry
        logging.basicConfig(format="%(message)s")
        hanging, go_on = threading.Event(), threading.Event()
        class Hanging:
            def __init__(self, store):
                self._store = store
            def write(self, batch):
                hanging.set()
                go_on.wait()
                return self._store.write(batch)
            def count_losses(self, losses):
                self._store.count_losses(losses)
            def beat(self):
                self._store.beat()
            def close(self):
                self._store.close()
            def interrupt(self):
                self._store.interrupt()
        registry.open_writer = lambda **given: Hanging(open_writer(**given))
        provider = traced()
        tracer = provider.get_tracer("t")
        spans(tracer, 10, "parent")
        hanging.wait()
        def body():
            spans(tracer, 10, "child")
            provider.force_flush()
            # As a daemon's second fork: what was unsafe for the child is so for its children.
            reap([fork(lambda: (spans(tracer, 10, "grandchild"), provider.force_flush()))])
        child = fork(body)
        reap([child])
        go_on.set()  # up to here the write hangs
    """
    _, errors = run(db, REAP + dedent(source), FLUJO_OTEL_RAISE="0")
    assert names(db) == {"parent": 10}
    assert is_sound(db)
    assert errors.count("forked while its parent was writing") == 2
    assert losses(db) == {"unsafe_fork": 1}


def test_a_write_that_takes_too_long_for_a_fork_is_interrupted_and_made_again(db: Path) -> None:
    source = """
        from flujo_otel import forks
        from flujo_otel_exporter import writer
        forks.PAUSE_SECONDS = 0
        writer._INTERRUPT_SECONDS = 30  # on a machine under load
        interrupted = 0
        provider = traced()
        tracer = provider.get_tracer("t")
        spans(tracer, 1, "parent")
        assert provider.force_flush()
        from flujo_otel.spanstore.sqlite import writer as store
        interrupt = store.SQLiteSpanWriter.interrupt
        def counted(self):
            global interrupted
            interrupted += 1
            interrupt(self)
        store.SQLiteSpanWriter.interrupt = counted
        thread = flooding(tracer)
        def body():
            spans(tracer, 10, "child")
            assert provider.force_flush()
        for number in range(12):
            time.sleep(0.05)
            reap([fork(body)])
        going = False
        thread.join()
        assert provider.force_flush()
        print(made, interrupted > 0)
    """
    output, _ = run(db, REAP + FLOOD + dedent(source))
    made, was_interrupted = output.split()
    lost = losses(db)
    no_room = lost.pop("queue_full", 0)
    assert names(db) == {"parent": 1, "flood": int(made) - no_room, "child": 120}
    assert lost == {}
    assert was_interrupted == "True"
    assert is_sound(db)
