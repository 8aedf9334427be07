"""configure(): the one line that a program needs."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from flujo_otel import redaction, settings
from flujo_otel.bootstrap.instrumenting import instrument
from flujo_otel.bootstrap.provider import global_provider
from flujo_otel.lock import SurvivingLock
from flujo_otel.recording.choice import settle
from flujo_otel.settings import Settings
from flujo_otel.usage.rates import rates_of
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.processor import LiveSpanProcessor
from flujo_otel_exporter.writer import StoreWriter

_logger = logging.getLogger("flujo_otel")
configuring: Final = SurvivingLock()
"""One thread at a time: of two that find no provider the second would be told that its is refused.
"""


def configure(
    db: str | Path | None = None,
    *,
    forward: str | Sequence[str] | None = None,
    service_name: str | None = None,
    flujo: bool = True,
    pydantic_graph: bool = True,
    langchain: bool = True,
    llama_index: bool = True,
    pydantic_ai: bool = True,
    flush_interval_seconds: float | None = None,
    queue_bytes: int | None = None,
    durable: str | None = None,
    content: bool | None = None,
    value_limit_bytes: int | None = None,
    replace_default_backend: bool | None = None,
    redact: bool | Callable[[str], str] | None = None,
) -> None:
    """Trace this program into `db`: a path or a `sqlite:///` URI; None: what the settings name.

    Joins the TracerProvider that is there; makes one, and makes it the global one, where there is
    none. `forward`: OTLP backends that get every span as well, over HTTP (docs/forward.md): URLs,
    names of [forward.NAME] in flujo.toml, or `env`; None: every one of flujo.toml, (): none.
    `service_name` is for a provider made here or by `lens run`. `flujo`, `pydantic_graph`,
    `langchain`, `llama_index`, `pydantic_ai`: instrument each, if it is installed; none is imported
    before the program does.
    `redact`: whether secrets are redacted, or a function that gets each text after that and gives
    what is to be recorded in its stead (docs/redaction.md).
    The others are settings of docs/settings.md. Called again it changes nothing but what nobody had
    said of `content`, `value_limit_bytes` and `service_name`, which hold from then on for what is
    at work already; `content=False` whenever it is said. Does nothing under OTEL_SDK_DISABLED=true.

    Raises SettingsError for an argument, a variable or a flujo.toml that cannot be used, and
    MissingExtra where forwarding needs what is not installed.
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
        replace_default_backend=replace_default_backend,
    )
    with configuring as is_nested:
        if is_nested:  # in what interrupts this very function, which then goes on
            return
        redaction.settle(_redactor(chosen, redact))
        settle(content, value_limit_bytes)
        rates_of(chosen)  # what cannot be used is said now, not with the first span
        forwarding = forwarding_of(chosen, forward)
        join(global_provider(service_name), chosen, forwarding)
        if flujo:
            instrument(
                "flujo",
                replace_default_backend=chosen.replace_default_backend,
                db=chosen.db,
            )
        if pydantic_graph:
            instrument("pydantic_graph")
        if langchain:
            instrument("langchain")
        if llama_index:
            # As auto-instrumentation says it: nothing is done before the program imports it.
            instrument("llama_index", skip_dep_check=True)
        if pydantic_ai:
            instrument("pydantic_ai")


def _redactor(chosen: Settings, redact: bool | Callable[[str], str] | None) -> redaction.Redactor:
    if callable(redact):
        return redaction.options_of(chosen).redactor(redact)
    return redaction.options_of(chosen, enabled=redact).redactor()


def join(
    provider: trace.TracerProvider, chosen: Settings, forwarding: SpanProcessor | None = None
) -> None:
    """Add our live processor to `provider`, unless it has one for the same database, and what
    starts forwarding."""
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
    if not any(_feeds(processor, exporter.writer) for processor in present):
        provider.add_span_processor(LiveSpanProcessor(exporter))
    if forwarding is not None and forwarding not in present:
        provider.add_span_processor(forwarding)


def _feeds(processor: SpanProcessor, writer: StoreWriter) -> bool:
    return isinstance(processor, LiveSpanProcessor) and processor.writer is writer


def forwarding_of(
    chosen: Settings, forward: str | Sequence[str] | None = None
) -> SpanProcessor | None:
    """See `bootstrap.forwarding`; None where nothing is forwarded, which then loads nothing."""
    if not chosen.forward if forward is None else not forward:
        return None
    from flujo_otel.bootstrap.forwarding import forwarding_to

    return forwarding_to(chosen, [forward] if isinstance(forward, str) else forward)


def is_disabled() -> bool:
    """OTEL_SDK_DISABLED, as the specification words it: the word true, in any case."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
