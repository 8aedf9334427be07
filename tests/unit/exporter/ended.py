"""An ended span for a writer, and waiting for what becomes of it."""

import time
from collections.abc import Callable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from flujo_otel_exporter.writer import StoreWriter

Make = Callable[..., StoreWriter]
PATIENT = 20.0


def span(name: str = "span", **attributes: str) -> ReadableSpan:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    made = provider.get_tracer("t").start_span(name, attributes=attributes)
    made.end()
    return made._readable_span()  # type: ignore[attr-defined,no-any-return]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
