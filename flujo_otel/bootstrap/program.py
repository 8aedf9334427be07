"""configure(): the one line that a program needs."""

import logging
import os
from importlib.util import find_spec
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import guard, settings
from flujo_otel.bootstrap.provider import global_provider
from flujo_otel.settings import Settings
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.processor import LiveSpanProcessor

_logger = logging.getLogger("flujo_otel")


def configure(
    db: str | Path | None = None,
    *,
    service_name: str | None = None,
    flujo: bool = True,
    flush_interval_seconds: float | None = None,
    queue_bytes: int | None = None,
    durable: str | None = None,
    content: bool | None = None,
    value_limit_bytes: int | None = None,
) -> None:
    """Trace this program into `db`: a path or a `sqlite:///` URI; None: what the settings name.

    Joins the TracerProvider that is there; makes one, and makes it the global one, where there is
    none. `service_name` is for a provider made here. `flujo`: instrument flujo, if it is installed.
    The others are settings of docs/settings.md. Called again it changes nothing. Does nothing under
    OTEL_SDK_DISABLED=true.

    Raises SettingsError for an argument, a variable or a flujo.toml that cannot be used.
    """
    if is_disabled():
        return
    chosen = settings.load(
        db=db,
        flush_interval_seconds=flush_interval_seconds,
        queue_bytes=queue_bytes,
        durable=durable,
        content=content,
        value_limit_bytes=value_limit_bytes,
    )
    join(global_provider(service_name), chosen)
    if flujo:
        with guard.guarded("instrumenting flujo"):
            _instrument_flujo(chosen)


def join(provider: trace.TracerProvider, chosen: Settings) -> None:
    """Add our live processor to `provider`, unless it has one for the same database."""
    if not isinstance(provider, TracerProvider):
        _logger.warning(
            "flujo-otel: the global tracer provider is a %s, not the OpenTelemetry SDK's: nothing"
            " of it can be traced here",
            type(provider).__name__,
        )
        return
    exporter = SQLiteSpanExporter(settings=chosen)
    # The SDK has no public way to ask; where it is kept otherwise, a second processor writes the
    # same rows again, which changes nothing in them.
    present = getattr(provider._active_span_processor, "_span_processors", ())
    for processor in present:
        if isinstance(processor, LiveSpanProcessor) and processor.writer is exporter.writer:
            return
    provider.add_span_processor(LiveSpanProcessor(exporter))


def is_disabled() -> bool:
    """OTEL_SDK_DISABLED, as the specification words it: the word true, in any case."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _instrument_flujo(chosen: Settings) -> None:
    if find_spec("flujo") is None:
        return
    from flujo_otel.integrations.flujo import FlujoInstrumentor

    instrumentor = FlujoInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(content=chosen.content, value_limit_bytes=chosen.value_limit_bytes)
