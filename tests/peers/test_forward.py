"""What is stored arrives at a real Jaeger and a real Tempo as it is, by each of the three ways."""

import subprocess
import sys
from pathlib import Path

import pytest

from . import store
from .clients import CLIENTS, Client
from .collector import Collector, environment, lens
from .jaeger import Jaeger
from .plain import Spans, without_order
from .process import wait_until
from .tempo import Tempo
from .tools import PEERS

pytest.importorskip("flujo", reason="needs the real flujo: pip install .[flujo]")
pytestmark = pytest.mark.flujo

STEPS = {"first", "climb", "up", "route", "flaky", "sour"}


def run_flujo(folder: Path, *arguments: str | Path) -> str:
    """The trace id of a real flujo run."""
    done = subprocess.run(
        [sys.executable, PEERS / "flujo_program.py", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.split()[-1]


def assert_same(stored: Spans, backend: Jaeger | Tempo, trace_id: str) -> None:
    """Every span that is stored is there, in every field that OTLP has; and no other is."""
    assert stored
    wait_until(
        f"{len(stored)} spans of {trace_id}", lambda: len(backend.trace(trace_id)) >= len(stored)
    )
    assert without_order(stored) == without_order(backend.trace(trace_id))


def assert_whole(stored: Spans) -> None:
    """All that the run did is in the store, with errors and the program's own attributes."""
    assert {"pipeline_run", "its own", *STEPS} == {span.name for span in stored.values()}
    (own,) = [span for span in stored.values() if span.name == "its own"]
    assert ("array", (("string", "a"), ("string", "b"))) == own.attributes["asked"]
    assert {"times": ("int", 2)} == own.events[0].attributes
    (sour,) = [span for span in stored.values() if span.name == "sour"]
    assert 2 == sour.status[0]
    assert "exception" in [event.name for event in sour.events]


def test_from_the_traced_process_to_two_jaegers(
    tmp_path: Path, jaeger_in_memory: Jaeger, jaeger_on_disk: Jaeger
) -> None:
    """`configure(forward=...)`: no server anywhere, two destinations at once."""
    db = tmp_path / "spans.db"
    trace_id = run_flujo(tmp_path, "embedded", db, jaeger_in_memory.http, jaeger_on_disk.http)
    stored = store.trace(db, trace_id)
    assert_whole(stored)
    assert_same(stored, jaeger_in_memory, trace_id)
    wait_until("the second", lambda: jaeger_on_disk.trace(trace_id).keys() == stored.keys())


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_through_lens_serve_to_jaeger(
    tmp_path: Path, jaeger_in_memory: Jaeger, scheme: str
) -> None:
    url = jaeger_in_memory.http
    if scheme == "grpc":
        url = jaeger_in_memory.grpc.replace("http://", "grpc://")
    collector = Collector(tmp_path / "collector", forward=[url])
    collector.process.start()
    try:
        trace_id = run_flujo(tmp_path, "otlp", collector.http)
        stored = collector.trace(trace_id)
        assert_whole(stored)
        assert_same(stored, jaeger_in_memory, trace_id)
    finally:
        collector.process.stop()


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_what_an_sdk_sent_through_lens_serve_is_at_jaeger(
    tmp_path: Path, jaeger_in_memory: Jaeger, client: Client
) -> None:
    """Held against the store, whose content `test_clients.py` holds against the client's."""
    collector = Collector(tmp_path / "collector", forward=[jaeger_in_memory.http])
    collector.process.start()
    try:
        ids = client.send(collector.http, collector.grpc)
        assert_same(collector.trace(ids.trace_id), jaeger_in_memory, ids.trace_id)
    finally:
        collector.process.stop()


def test_lens_forward_sends_what_was_stored_before(
    tmp_path: Path, jaeger_in_memory: Jaeger
) -> None:
    """`lens forward --to URL --run ID`: that run and no other."""
    db = tmp_path / "spans.db"
    wanted = run_flujo(tmp_path, "embedded", db)
    other = run_flujo(tmp_path, "embedded", db)
    run_id = store.run_of(db, wanted)
    lens(db, "forward", "--to", jaeger_in_memory.http, "--run", run_id)
    assert_same(store.trace(db, wanted), jaeger_in_memory, wanted)
    assert {} == jaeger_in_memory.trace(other)
    lens(db, "forward", "--to", jaeger_in_memory.http)
    assert_same(store.trace(db, other), jaeger_in_memory, other)


def test_from_the_traced_process_to_tempo(tmp_path: Path, a_tempo: Tempo) -> None:
    db = tmp_path / "spans.db"
    trace_id = run_flujo(tmp_path, "embedded", db, a_tempo.http)
    stored = store.trace(db, trace_id)
    assert_whole(stored)
    assert_same(stored, a_tempo, trace_id)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_through_lens_serve_to_tempo(tmp_path: Path, a_tempo: Tempo, scheme: str) -> None:
    url = a_tempo.http if scheme == "http" else a_tempo.grpc.replace("http://", "grpc://")
    collector = Collector(tmp_path / "collector", forward=[url])
    collector.process.start()
    try:
        trace_id = run_flujo(tmp_path, "otlp", collector.http)
        assert_same(collector.trace(trace_id), a_tempo, trace_id)
        ids = CLIENTS[0].send(collector.http, collector.grpc)
        assert_same(collector.trace(ids.trace_id), a_tempo, ids.trace_id)
    finally:
        collector.process.stop()


def test_lens_forward_to_tempo(tmp_path: Path, a_tempo: Tempo) -> None:
    db = tmp_path / "spans.db"
    trace_id = run_flujo(tmp_path, "embedded", db)
    lens(db, "forward", "--to", a_tempo.http)
    assert_same(store.trace(db, trace_id), a_tempo, trace_id)
