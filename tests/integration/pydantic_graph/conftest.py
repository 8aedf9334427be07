"""Fixtures for the real pydantic-graph: `traced`, whose graphs are instrumented."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace

pytest.importorskip("pydantic_graph", reason="pip install .[pydantic-graph]")

from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor
from support.graphs import TracedGraphs


class Complaints(logging.Handler):
    """Collects what OpenTelemetry and flujo-otel complain of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def complaints() -> Iterator[list[str]]:
    """Empty after each test: no run makes OpenTelemetry log "Failed to detach context"."""
    handler = Complaints()
    loggers = [logging.getLogger(name) for name in ("opentelemetry", "flujo_otel", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler.messages
    for logger in loggers:
        logger.removeHandler(handler)
    assert handler.messages == []


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracedGraphs]:
    """Its provider is the global one, as it is in a program."""
    instrumentor = PydanticGraphInstrumentor()
    instrumentor.uninstrument()  # a test elsewhere may have called configure()
    found = TracedGraphs()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", found.provider)
    instrumentor.instrument()
    yield found
    instrumentor.uninstrument()
    found.check()
