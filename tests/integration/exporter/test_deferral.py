"""Deferred spans are there in the end as those that are made at once, however the process ends."""

import signal
import time
from pathlib import Path

import pytest

from support.programs import finish, is_sound, losses, names, query, run, start, wait_for_line

PRELUDE = """
import asyncio, os, signal, sys, threading, time
import flujo_otel
from opentelemetry import trace
from flujo_otel.semconv.flujo import RUN_ID, SCOPE
from flujo_otel_exporter import deferral
from flujo_otel_exporter.deferred_span import DeferredSpan

flujo_otel.configure(flujo=False)
provider = trace.get_tracer_provider()
steps = trace.get_tracer(SCOPE)
own = trace.get_tracer("the program's own")
run = steps.start_span("run", attributes={RUN_ID: "r"})
below = trace.set_span_in_context(run)

def step(name, **attributes):
    span = steps.start_span(name, context=below, attributes={RUN_ID: "r", **attributes})
    assert type(span) is DeferredSpan
    return span
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def test_an_exit_makes_them(db: Path) -> None:
    run(
        db,
        """
        for number in range(50):
            step("ended", number=number).end()
        step("open")
        run.end()
        """,
        prelude=PRELUDE,
    )
    assert names(db) == {"ended": 50, "run": 1}
    assert names(db, "running") == {"open": 1}
    assert query(db, "SELECT COUNT(DISTINCT run_id) FROM spans") == [(1,)]


def test_a_flush_on_any_thread_makes_them(db: Path) -> None:
    run(
        db,
        """
        step("one").end()
        assert provider.force_flush()
        import sqlite3
        rows = sqlite3.connect(os.environ["FLUJO_OTEL_DB"]).execute("SELECT name FROM spans")
        assert ("one",) in rows.fetchall()
        """,
        prelude=PRELUDE,
    )


def test_what_ended_before_a_blocked_loop_is_written_meanwhile(db: Path) -> None:
    """And survives SIGKILL: nobody comes by on the program's own thread."""
    process = start(
        db,
        """
        step("before").end()
        step("blocks")
        time.sleep(1)
        print("blocked", flush=True)
        time.sleep(60)
        """,
        prelude=PRELUDE,
    )
    wait_for_line(process, "blocked")
    process.kill()
    finish(process, status=-signal.SIGKILL)
    assert names(db) == {"before": 1}
    assert names(db, "running") == {"blocks": 1, "run": 1}


def test_a_signal_at_any_moment_loses_none_and_hangs_nowhere(tmp_path: Path) -> None:
    for number in range(12):
        db = tmp_path / str(number) / "spans.db"
        db.parent.mkdir()
        (db.parent / "progress").write_bytes(bytes(8))
        process = start(
            db,
            """
            progress = os.open("progress", os.O_RDWR)
            print("ready", flush=True)
            number = 0
            while True:
                span = step("work", number=number)
                span.set_attributes({"after": number})
                span.end()
                os.pwrite(progress, number.to_bytes(8, "big"), 0)
                number += 1
                if number % 10 == 0:
                    time.sleep(0.001)
            """,
            prelude=PRELUDE,
        )
        wait_for_line(process, "ready")
        time.sleep(0.05 + 0.011 * number)
        began = time.monotonic()
        process.terminate()
        finish(process, status=-signal.SIGTERM)
        assert time.monotonic() - began < 10
        ended = int.from_bytes((db.parent / "progress").read_bytes(), "big")
        lost = losses(db).get("terminated", 0)
        assert names(db)["work"] + lost >= ended
        assert lost == 0 or names(db)["work"] > 0


def test_a_fork_leaves_each_side_its_own(db: Path) -> None:
    run(
        db,
        """
        open_one = step("parent's")
        inside = trace.set_span_in_context(open_one)
        children = []
        for number in range(5):
            step("before").end()
            child = os.fork()
            if not child:
                with own.start_as_current_span("child's", context=inside):
                    pass
                step("child's step").end()
                provider.force_flush()
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        open_one.end()
        run.end()
        """,
        prelude=PRELUDE.replace("assert type(span) is DeferredSpan\n    ", ""),
    )
    assert names(db) == {"before": 5, "child's": 5, "child's step": 5, "parent's": 1, "run": 1}
    assert is_sound(db)
    (parent,) = query(db, "SELECT otel_span_id FROM spans WHERE name = 'parent''s'")
    above = query(db, "SELECT DISTINCT otel_parent_id FROM spans WHERE name = 'child''s'")
    assert above == [parent]


def test_many_threads_lose_none_and_double_none(db: Path) -> None:
    run(
        db,
        """
        def work(name):
            for number in range(400):
                span = step(name, number=number)
                if number % 7 == 0:
                    with own.start_as_current_span("inner", trace.set_span_in_context(span)):
                        pass
                if number % 11 == 0:
                    assert span.name == name  # only the SDK's span has one
                if number % 13 == 0:
                    provider.force_flush()
                span.end()

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run.end()
        """,
        prelude=PRELUDE.replace("assert type(span) is DeferredSpan\n    ", ""),
    )
    assert names(db) == {"inner": 4 * 58, "run": 1, **{f"t{n}": 400 for n in range(4)}}
    assert query(db, "SELECT DISTINCT run_id FROM spans") == [("r",)]
    numbers = "SELECT COUNT(DISTINCT json_extract(attributes, '$.number')) FROM spans"
    assert query(db, numbers + " WHERE name = 't0'") == [(400,)]
