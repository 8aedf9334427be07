"""A writer of our own on a store that remembers, and spans for it."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import forks, guard
from flujo_otel_exporter import exporter as exporter_module
from flujo_otel_exporter import process_exit, termination
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.limits import Limits
from flujo_otel_exporter.processor import LiveSpanProcessor
from flujo_otel_exporter.writer import StoreWriter
from support.fake_store import FakeStore

LONG = 60.0
"""A flush interval that no test waits for: what is written was flushed."""


@pytest.fixture(autouse=True)
def no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are counted for the process: each test begins with none."""
    monkeypatch.setattr(guard, "_counts", {})


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def make_writer(store: FakeStore) -> Iterator[Callable[..., StoreWriter]]:
    made: list[StoreWriter] = []

    def make(queue_bytes: int = 1 << 26, interval: float = LONG, **limits: int) -> StoreWriter:
        made.append(StoreWriter(lambda: store, Limits(queue_bytes, interval, **limits)))
        return made[-1]

    yield make
    store.available = True
    for writer in made:
        writer.finish()
        forks._participants.pop(id(writer))
        process_exit._finish.remove(writer.finish)
        termination._flush.remove(writer.terminate)


@pytest.fixture
def make_exporter(
    make_writer: Callable[..., StoreWriter], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SQLiteSpanExporter]:
    def make(**limits: float) -> SQLiteSpanExporter:
        writer = make_writer(**limits)
        monkeypatch.setattr(exporter_module, "writer_for", lambda _: writer)
        return SQLiteSpanExporter()

    return make


@pytest.fixture
def exporter(make_exporter: Callable[..., SQLiteSpanExporter]) -> SQLiteSpanExporter:
    return make_exporter()


@pytest.fixture
def provider(exporter: SQLiteSpanExporter) -> TracerProvider:
    """One with a live processor on `store`, of the service `shop`."""
    resource = Resource({"service.name": "shop"})
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(LiveSpanProcessor(exporter))
    return made
