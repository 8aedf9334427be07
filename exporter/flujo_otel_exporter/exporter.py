"""The SpanExporter: works in any of the SDK's span processors."""

from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from flujo_otel import guard, process, settings
from flujo_otel.settings import Settings
from flujo_otel.words import words_of
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
        accepted = [self._accepted(span) for span in spans]
        return SpanExportResult.SUCCESS if all(accepted) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True only if all that was accepted before is committed within `timeout_millis`."""
        with guard.guarded("force_flush"):
            return self._writer.flush(timeout_millis / 1000)
        return False

    def _accepted(self, span: ReadableSpan) -> bool:
        """False for want of room alone. What cannot even be read as a span is counted in the ledger
        (`rejected`), as what cannot be stored is, and costs no other."""
        try:
            return self._writer.put(span, None)
        except Exception as error:
            if not guard.report("export", error):
                raise
            detail = f"{type(error).__name__}: {words_of(error)}"
            self._writer.count_loss(process.current().command, "rejected", detail, 1)
            return True

    def shutdown(self) -> None:
        """Flush, and accept nothing more. Others' spans to the same database are not concerned."""
        if not self._is_shut_down:
            self._is_shut_down = True
            with guard.guarded("shutdown"):
                self._writer.settle()


def _settings_of(uri: str | Path | None) -> Settings:
    return settings.load(db=uri)
