"""configure(forward=...): a traced program that forwards, with no server."""

import time
from pathlib import Path

import pytest

from flujo_otel.forward.choice import destinations
from flujo_otel.settings import load
from integration.forward.conftest import cursor
from support import programs
from support.backends import HttpBackend, ok, status, wait_until

PRELUDE = """
import multiprocessing, os, signal, sys, threading, time
import flujo_otel
from opentelemetry import trace

def spans(count, name="span"):
    tracer = trace.get_tracer("program")
    for number in range(count):
        tracer.start_span(name, attributes={"number": number}).end()
"""
PATIENT = f"""{PRELUDE}
import flujo_otel.bootstrap.forwarding
flujo_otel.bootstrap.forwarding.EXIT_SECONDS = 60
"""
"""However slow the machine is, what can be sent is before the program ends."""


def run(db: Path, source: str, *, prelude: str = PATIENT, **variables: str) -> str:
    """Its standard error, which is where it would complain."""
    return programs.run(db, source, prelude=prelude, **variables)[1]


def test_every_span_arrives_by_the_end_of_the_program(db: Path, backend: HttpBackend) -> None:
    source = f"""
        flujo_otel.configure(forward="{backend.url}", service_name="shop")
        spans(2500)
    """
    assert "" == run(db, source)
    assert {"span": 2500} == backend.taken.names
    [attribute] = [
        each
        for each in backend.taken.requests[0].resource_spans[0].resource.attributes
        if each.key == "service.name"
    ]
    assert "shop" == attribute.value.string_value


def test_they_arrive_while_it_runs(db: Path, backend: HttpBackend) -> None:
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        spans(10)
        sys.stdin.read()
    """
    process = programs.start(db, source, prelude=PRELUDE)
    wait_until(lambda: backend.taken.names == {"span": 10}, "10 spans")
    programs.finish(process)
    assert {"span": 10} == backend.taken.names


def test_a_dead_backend_neither_disturbs_nor_holds_up_the_program(
    db: Path, backend: HttpBackend
) -> None:
    backend.kill()
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        spans(100)
    """
    assert "" == run(db, source)
    assert (0, 100) == (cursor(db).sent, cursor(db).lag)
    backend.revive()
    assert "" == run(db, source)
    assert {"span": 200} == backend.taken.names


def test_a_backend_that_never_answers_holds_up_the_end_for_a_bounded_time(
    db: Path, backend: HttpBackend
) -> None:
    backend.otherwise = lambda _: time.sleep(45)
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        spans(10)
        start = time.monotonic()
        import atexit, flujo_otel_exporter.process_exit
        flujo_otel_exporter.process_exit.flush_everything()
        assert time.monotonic() - start < 40
    """
    assert "" == run(db, source, prelude=PRELUDE)
    assert 10 == cursor(db).lag


def test_what_a_killed_program_did_not_send_the_next_one_does(
    db: Path, backend: HttpBackend
) -> None:
    backend.otherwise = status(503)
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        spans(10, "killed")
        trace.get_tracer_provider().force_flush()
        print("stored", flush=True)
        time.sleep(60)
    """
    process = programs.start(db, source, prelude=PRELUDE)
    programs.wait_for_line(process, "stored")
    wait_until(lambda: backend.seen > 0, "it was tried")
    process.kill()
    process.communicate()
    backend.otherwise = ok
    run(db, f'flujo_otel.configure(forward="{backend.url}"); spans(1, "next")')
    assert {"killed": 10, "next": 1} == backend.taken.names


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing_are_forwarded(
    db: Path, backend: HttpBackend, method: str
) -> None:
    source = f"""
        flujo_otel.configure(forward="{backend.url}")

        def work():
            spans(5, "child")

        if __name__ == "__main__":
            spans(5, "parent")
            children = [
                multiprocessing.get_context("{method}").Process(target=work) for _ in range(4)
            ]
            for child in children:
                child.start()
            for child in children:
                child.join()
            spans(5, "parent")
    """
    assert "" == run(db, source)
    assert {"parent": 10, "child": 20} == backend.taken.names


def test_a_child_whose_parent_is_gone_forwards_itself(db: Path, backend: HttpBackend) -> None:
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        spans(5, "parent")
        time.sleep(0.5)
        if os.fork() == 0:
            os.close(1), os.close(2)
            time.sleep(1)
            spans(5, "child")
            sys.exit(0)
    """
    assert "" == run(db, source)
    wait_until(lambda: backend.taken.names == {"parent": 5, "child": 5}, "both")


def test_a_forked_child_opens_no_database_before_it_has_a_span(
    db: Path, backend: HttpBackend
) -> None:
    """A thread that it has not got may have held what SQLite then waits for, for ever."""
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        spans(5)
        trace.get_tracer_provider().force_flush()
        forking = os.getpid()
        def told(name, arguments):
            if name == "sqlite3.connect" and os.getpid() != forking:
                os._exit(1)
        sys.addaudithook(told)
        if os.fork() == 0:
            os._exit(0)
        assert os.wait()[1] == 0
    """
    assert "" == run(db, source)


def test_forks_in_a_loop_beside_sending_lose_nothing(db: Path, backend: HttpBackend) -> None:
    source = f"""
        flujo_otel.configure(forward="{backend.url}")
        for _ in range(12):
            spans(50, "parent")
            if os.fork() == 0:
                spans(5, "child")
                sys.exit(0)
            assert os.wait()[1] == 0
    """
    assert "" == run(db, source)
    wait_until(lambda: backend.taken.names == {"parent": 600, "child": 60}, "all")
    assert programs.is_sound(db)


def test_instrumented_libraries_do_not_trace_our_own_sending(
    db: Path, backend: HttpBackend
) -> None:
    source = f"""
        from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor
        SQLite3Instrumentor().instrument()
        ThreadingInstrumentor().instrument()
        flujo_otel.configure(forward="{backend.url}")
        spans(10)
        time.sleep(1)
    """
    assert "" == run(db, source)
    assert {"span": 10} == backend.taken.names


def test_grpc_is_refused_with_advice(db: Path) -> None:
    source = """
        import flujo_otel.errors
        try:
            flujo_otel.configure(forward="grpc://tempo:4317")
        except flujo_otel.errors.SettingsError as error:
            assert "lens serve" in str(error) and "4318" in str(error), error
        else:
            raise AssertionError
    """
    assert "" == run(db, source)


def test_the_destinations_of_flujo_toml_are_used_and_grpc_ones_left_to_the_server(
    db: Path, backend: HttpBackend
) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.here]\nendpoint = "{backend.url}"\n[forward.there]\nendpoint = "grpc://t:4317"\n'
    )
    assert "" == run(db, "flujo_otel.configure(); spans(3)")
    assert {"span": 3} == backend.taken.names
    assert "" == run(db, "flujo_otel.configure(forward=()); spans(3)")
    assert {"span": 3} == backend.taken.names
    assert {"here", "there"} == {each.name for each in destinations(None, load(db=str(db)))}


def test_lens_run_forwards_to_what_flujo_toml_names(db: Path, backend: HttpBackend) -> None:
    import subprocess
    import sys

    (db.parent / "flujo.toml").write_text(f'[forward.here]\nendpoint = "{backend.url}"\n')
    program = programs.write_program(db.parent, "spans(4)", PATIENT)
    command = [sys.executable, "-m", "flujo_otel_cli.main", "run", "--", sys.executable, program]
    subprocess.run(command, env=programs.environment(db), cwd=db.parent, check=True)
    assert {"span": 4} == backend.taken.names


def test_the_environment_names_a_backend(db: Path, backend: HttpBackend) -> None:
    run(
        db,
        'flujo_otel.configure(forward="env"); spans(2)',
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-key=with%20space",
    )
    assert {"span": 2} == backend.taken.names
    assert "with space" == backend.taken.headers[0]["x-key"]


def test_configure_after_lens_run_set_up_forwards_as_well(db: Path, backend: HttpBackend) -> None:
    source = f"""
        flujo_otel.configure()
        flujo_otel.configure(forward="{backend.url}")
        flujo_otel.configure(forward="{backend.url}")
        spans(3)
    """
    assert "" == run(db, source)
    assert {"span": 3} == backend.taken.names


def test_nothing_of_it_is_loaded_where_nothing_is_forwarded(db: Path) -> None:
    source = """
        flujo_otel.configure()
        spans(1)
        ours = ("urllib3", "flujo_otel.forward")
        loaded = [name for name in sys.modules if name.startswith(ours)]
        assert loaded == [], loaded
    """
    assert "" == run(db, source, prelude=PRELUDE)
