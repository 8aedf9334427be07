"""A provider that makes runs and steps of a library's spans."""

import itertools
from collections.abc import Iterator
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, get_current_span
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes

from flujo_otel.integrations.adopted.library import Library
from flujo_otel.integrations.adopted.span import RunSpan
from flujo_otel.integrations.adopted.values import Values
from flujo_otel.recording.choice import Recording
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo

MAX_PLACES: Final = 10_000
"""Open spans of runs of a library's own that are remembered; the oldest are forgotten."""
_Key = tuple[int, int]


class RunProvider(trace.TracerProvider):
    """Gives tracers of `provider` for `library`, whose spans record as `recording` says."""

    def __init__(
        self, provider: trace.TracerProvider, recording: Recording, library: Library
    ) -> None:
        self._provider = provider
        self._recording = recording
        self._library = library

    def get_tracer(self, *args: Any, **kwargs: Any) -> "RunTracer":
        tracer = self._provider.get_tracer(*args, **kwargs)
        return RunTracer(tracer, self._recording, self._library)


class RunTracer(trace.Tracer):
    """A span under no other is a run of its own; what it calls are its steps."""

    def __init__(self, tracer: trace.Tracer, recording: Recording, library: Library) -> None:
        self._tracer = tracer
        self._recording = recording
        self._library = library
        self._places: dict[_Key, _Place] = {}

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *args: Any,
        **kwargs: Any,
    ) -> Span:
        place, facts = self._place(name, context, attributes or {})
        values = Values(self._library, self._recording)
        given = {**values.kept(attributes or {}), **facts}
        called = str(facts.get(flujo.PIPELINE_NAME) or redactor().text(name))
        span = self._tracer.start_span(called, context, kind, given, *args, **kwargs)
        if place is not None:
            self._places[_key(span)] = place
            if len(self._places) > MAX_PLACES:
                self._places.pop(next(iter(self._places)), None)
        return RunSpan(span, values, facts, self._forget)  # type: ignore[return-value]

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        *args: Any,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
        **kwargs: Any,
    ) -> Iterator[Span]:
        with trace.use_span(
            self.start_span(name, *args, **kwargs),
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ) as span:
            yield span

    def _forget(self, span: Span) -> None:
        self._places.pop(_key(span), None)

    def _place(
        self, name: str, context: Any, attributes: Any
    ) -> "tuple[_Place | None, dict[str, Any]]":
        above = get_current_span(context)
        if not above.get_span_context().is_valid:
            run_name = redactor().text(self._library.run_name(name, attributes))
            return _Place(name), {flujo.PIPELINE_NAME: run_name}
        place = self._places.get(_key(above))
        if place is None:
            return None, {}
        if self._library.is_inner(place.name, name):
            return place, {}
        step_type = self._library.step_type
        return None, {flujo.STEP_TYPE: step_type, flujo.STEP_INDEX: next(place.indexes)}


class _Place:
    """A run's root, and what is one with it: what `Library.is_inner` says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.indexes = itertools.count()


def _key(span: Span) -> _Key:
    context = span.get_span_context()
    return context.trace_id, context.span_id
