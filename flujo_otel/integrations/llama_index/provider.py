"""A provider that makes runs and steps of LlamaIndex's spans, and records no secrets."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import wrapt
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes

from flujo_otel.integrations.llama_index.documents import ranking
from flujo_otel.recording.content import Recording
from flujo_otel.recording.failure import add_exception, error_type, set_failed
from flujo_otel.recording.json_text import as_json
from flujo_otel.recording.text import as_text, clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, xray

STEP_TYPE: Final = "llama_index"
MAX_PLACES: Final = 10_000
"""Open spans of runs of LlamaIndex's own that are remembered; the oldest are forgotten."""
_LEFT_OUT: Final = "__REDACTED__"
"""What OpenInference writes for what its config hides."""
_CONTENT: Final = ("llm.prompt_template.", "retrieval.documents.")
"""What of the content its config does not hide."""
_Key = tuple[int, int]


class RunProvider(trace.TracerProvider):
    """Gives tracers of `provider` whose spans are as this module says."""

    def __init__(self, provider: trace.TracerProvider, recording: Recording) -> None:
        self._provider = provider
        self._recording = recording

    def get_tracer(self, *args: Any, **kwargs: Any) -> "RunTracer":
        return RunTracer(self._provider.get_tracer(*args, **kwargs), self._recording)


class RunTracer(trace.Tracer):
    """A span under no other is a run of its own; what it calls are its steps."""

    def __init__(self, tracer: trace.Tracer, recording: Recording) -> None:
        self._tracer = tracer
        self._recording = recording
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
        place, facts = self._place(name, context)
        given = redactor().attributes({**(attributes or {}), **facts})
        span = self._tracer.start_span(name, context, kind, given, *args, **kwargs)
        if place is not None:
            self._places[_key(span)] = place
            if len(self._places) > MAX_PLACES:
                self._places.pop(next(iter(self._places)), None)
        return RunSpan(span, self, facts)  # type: ignore[return-value]

    @_agnosticcontextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Iterator[Span]:
        with trace.use_span(self.start_span(name, *args, **kwargs), end_on_exit=True) as span:
            yield span

    @property
    def recording(self) -> Recording:
        return self._recording

    def forget(self, span: Span) -> None:
        self._places.pop(_key(span), None)

    def _place(self, name: str, context: Any) -> "tuple[_Place | None, dict[str, Any]]":
        above = get_current_span(context)
        if not above.get_span_context().is_valid:
            return _Place(name), {flujo.PIPELINE_NAME: name}
        place = self._places.get(_key(above))
        if place is None:
            return None, {}
        if place.is_inner(name):
            return place, {}
        return None, {flujo.STEP_TYPE: STEP_TYPE, flujo.STEP_INDEX: next(place.indexes)}


class _Place:
    """A run's root, and what is one with it: `Engine.query` calls `Engine._query`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.indexes = itertools.count()

    def is_inner(self, name: str) -> bool:
        owner, _, method = self.name.rpartition(".")
        return name == f"{owner}._{method}"


class RunSpan(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Redacts and cuts what is recorded; its `facts` outlive the limit on attributes."""

    def __init__(self, span: Span, tracer: RunTracer, facts: Mapping[str, Any]) -> None:
        super().__init__(span)
        self._self_tracer = tracer
        self._self_facts = facts
        self._self_cuts = 0

    def set_attribute(self, key: str, value: Any) -> None:
        recording = self._self_tracer.recording
        if value == _LEFT_OUT or (not recording.content and key.startswith(_CONTENT)):
            return
        if isinstance(value, str) and not redactor().hides(key, value):
            value, was_cut = as_text(value, recording.value_limit_bytes)
            self._self_cuts += was_cut
            self.__wrapped__.set_attribute(key, value)
        else:
            self.__wrapped__.set_attributes(redactor().attributes({key: value}))

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.__wrapped__.add_event(name, redactor().attributes(attributes or {}), timestamp)

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        kind = error_type(exception)
        add_exception(self.__wrapped__, exception)
        self.__wrapped__.set_attributes({flujo.ERROR_TYPE: kind, flujo.ERROR_TYPE_PLAIN: kind})

    def set_status(self, status: Any, description: str | None = None) -> None:
        given = status if isinstance(status, Status) else Status(status, description)
        if given.status_code is StatusCode.ERROR and given.description:
            message = clipped(given.description)
            self.__wrapped__.set_attribute(flujo.ERROR_MESSAGE, message)
            set_failed(self.__wrapped__, message)
        else:
            self.__wrapped__.set_status(given)

    def end(self, end_time: int | None = None) -> None:
        self._self_tracer.forget(self.__wrapped__)
        last = {**self._self_facts, **self._ranking()}
        if self._self_cuts:
            last[flujo.TRUNCATED] = self._self_cuts
        # The SDK drops the oldest of a span's attributes past 128, and these were the first.
        self.__wrapped__.set_attributes(last)
        self.__wrapped__.end(end_time)

    def _ranking(self) -> dict[str, str]:
        """What was found, as a decision: `lens` draws it."""
        candidates = ranking(getattr(self.__wrapped__, "attributes", None) or {})
        if not candidates:
            return {}
        text, was_cut = as_json(candidates, self._self_tracer.recording.value_limit_bytes)
        self._self_cuts += was_cut
        return {xray.RANKED_CANDIDATES: text}


def _key(span: Span) -> _Key:
    context = span.get_span_context()
    return context.trace_id, context.span_id
