"""The SpanExporter: works in any of the SDK's span processors."""

from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from flujo_otel import guard, settings
from flujo_otel.settings import Settings
from flujo_otel_exporter.registry import writer_for
from flujo_otel_exporter.writer import StoreWriter


class SQLiteSpanExporter(SpanExporter):
    """Spans into the local database (OpenTelemetry specification, "Span Exporter").

    `uri` is a path or a `sqlite:///` URI; None: what the settings name. The database is made by the
    first flush. Raises SettingsError (UnsupportedUri) for a database that cannot be named.

    Inside the stock BatchSpanProcessor spans are handed over every 5 s only and running ones never;
    `LiveSpanProcessor` has neither limit.
    """

    def __init__(self, uri: str | Path | None = None, *, settings: Settings | None = None) -> None:
        self._writer = writer_for(settings or _settings_of(uri))
        self._is_shut_down = False

    @property
    def writer(self) -> StoreWriter:
        """The process's writer to this database."""
        return self._writer

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """SUCCESS once the spans are accepted; they are durable at most one flush later.

        FAILURE where the queue is full (those that found no room are counted in the ledger) and
        after `shutdown`. Never waits for the database.
        """
        if self._is_shut_down:
            return SpanExportResult.FAILURE
        try:
            accepted = [self._writer.put(span, None) for span in spans]
        except Exception as error:
            if not guard.report("export", error):
                raise
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if all(accepted) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True only if all that was accepted before is committed within `timeout_millis`."""
        with guard.guarded("force_flush"):
            return self._writer.flush(timeout_millis / 1000)
        return False

    def shutdown(self) -> None:
        """Flush, and accept nothing more. Others' spans to the same database are not concerned."""
        if not self._is_shut_down:
            self._is_shut_down = True
            with guard.guarded("shutdown"):
                self._writer.settle()


def _settings_of(uri: str | Path | None) -> Settings:
    return settings.load(db=uri)
