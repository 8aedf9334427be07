"""The TracerProvider of a program that has none of its own."""

from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from flujo_otel.semconv.flujo import SCOPE
from flujo_otel_exporter import deferral
from flujo_otel_exporter.deferring_tracer import DeferringTracer
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

_DEFERRED: Final = frozenset({SCOPE})
"""Whose spans come in great numbers with nothing between them."""
_LIKE_ITS_PARENT: Final = "localParentSampled:AlwaysOnSampler"
_ALWAYS: Final = "AlwaysOnSampler"


class LocalTracerProvider(TracerProvider):
    """The SDK's, which defers spans (`deferral`) where nobody can tell the difference.

    That is where ids are by our generator, what is below a sampled span is sampled, and of starts
    no processor hears but the live one, whose writer makes the spans.
    """

    _live: LiveSpanProcessor | None = None
    _is_patient = True

    def get_tracer(self, instrumenting_module_name: str, *args: Any, **kwargs: Any) -> trace.Tracer:
        """See `TracerProvider.get_tracer`."""
        tracer = super().get_tracer(instrumenting_module_name, *args, **kwargs)
        ids = self.id_generator
        if (
            instrumenting_module_name in _DEFERRED
            and isinstance(tracer, Tracer)
            and isinstance(ids, TimeOrderedIdGenerator)
            and self._samples_all_below()
        ):
            return DeferringTracer(tracer, ids, self._may_defer)
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """See `TracerProvider.add_span_processor`."""
        if isinstance(span_processor, LiveSpanProcessor):
            self._live = span_processor
        elif not (
            type(span_processor) is BatchSpanProcessor
            or getattr(span_processor, "hears_ends_alone", False)
        ):
            self._is_patient = False
            deferral.catch_up()
        super().add_span_processor(span_processor)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `TracerProvider.force_flush`."""
        deferral.catch_up()
        return super().force_flush(timeout_millis)

    def shutdown(self) -> None:
        """See `TracerProvider.shutdown`."""
        self._is_patient = False
        deferral.catch_up()
        super().shutdown()

    def _may_defer(self) -> bool:
        live = self._live
        return self._is_patient and live is not None and live.writer.is_prompt

    def _samples_all_below(self) -> bool:
        described = self.sampler.get_description()
        return described == _ALWAYS or _LIKE_ITS_PARENT in described
