"""A provider of the test's own in place of the global one, and the database that it feeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.processor import LiveSpanProcessor
from support.xray import Way


@dataclass
class Traced:
    """A traced process."""

    provider: TracerProvider
    db: Path

    def storage(self) -> SQLiteStorage:
        """What was recorded so far."""
        assert self.provider.force_flush()
        return SQLiteStorage(self.db)


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    provider = TracerProvider(shutdown_on_exit=False)
    db = tmp_path / "spans.db"
    provider.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(db)))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.setenv("FLUJO_OTEL_DB", str(db))
    yield Traced(provider, db)
    provider.shutdown()


@pytest.fixture(params=["spans", "storage", "same file"])
def way(request: pytest.FixtureRequest, traced: Traced) -> Way:
    """`same file`: a storage that names the very file that the process writes its spans to."""
    if request.param == "spans":
        return Way(XRay(), traced, None)
    storage = SQLiteStorage(":memory:" if request.param == "storage" else traced.db)
    return Way(XRay(storage=storage), traced, storage)


@pytest.fixture(params=["memory", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteStorage]:
    kept = SQLiteStorage(":memory:" if request.param == "memory" else tmp_path / "traces.db")
    yield kept
    kept.close()
