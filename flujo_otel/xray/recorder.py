"""Where a trace goes while it runs: to OpenTelemetry, or to a storage that was passed in."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple, Protocol

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    StatusCode,
    TraceFlags,
    Tracer,
)

from flujo_otel.guard import guarded
from flujo_otel.model import Event
from flujo_otel.recording.choice import Recording
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, openinference
from flujo_otel.storage import decisions
from flujo_otel.storage.moments import to_ns
from flujo_otel.storage.random_ids import new_span_id, new_trace_id
from flujo_otel.storage.snapshot import snapshot_name
from flujo_otel.storage.storage_backend import StorageBackend
from flujo_otel.storage.traces import SpanFacts, Step, Trace

_DESCRIPTION_LIMIT: Final = 1024
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
UNSAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)


class HeldStep(NamedTuple):
    """A step that has ended and was not recorded yet. Times in Unix nanoseconds."""

    step: Step
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]


class Recorder(Protocol):
    """One for each trace, whose models it is told of as they begin and end, each step once.

    `context`: the OpenTelemetry context in which the trace or the step begins. `span`: what was
    answered to its beginning. Times are Unix time in nanoseconds. What may raise is what `guard`
    lets pass.
    """

    guard: AbstractContextManager[Any]
    """To be entered around every call: lets those errors pass that the program is to see."""
    keeps_steps: bool
    """Whether the live model of the trace is to have its steps."""

    @property
    def content(self) -> bool:
        """Whether inputs, outputs, reasons and other data of the program are recorded now."""
        ...

    def begin_trace(self, trace: Trace, context: Context, start_ns: int) -> Span:
        """The span to make current while the trace is open; it has ids even if it records nothing,
        and `trace` carries them from then on."""
        ...

    def begin_step(self, step: Step, context: Context, start_ns: int) -> Span:
        """The same of a step."""
        ...

    def note_input(self, step: Step, span: Span) -> None:
        """Tell of the input before the step ends, where anybody could see it."""
        ...

    def event(self, model: Trace | Step, span: Span, event: Event) -> None:
        """Something happened in it; secrets in `event` are redacted already."""
        ...

    def end_step(self, step: Step, span: Span, end_ns: int) -> None:
        """`step` says by now all that there is to say."""
        ...

    def end_trace(self, trace: Trace, span: Span, end_ns: int) -> None:
        """The same of the trace. Steps that were begun in it may end later."""
        ...

    def replay(self, trace: Trace, context: Context, held: Sequence[HeldStep]) -> None:
        """Record a whole trace that has ended, of which nothing was recorded before; `held`: its
        steps, as they ended."""
        ...


class SpanRecorder:
    """Through the OpenTelemetry API."""

    keeps_steps = True

    def __init__(self, tracer: Tracer, recording: Recording) -> None:
        self.guard: AbstractContextManager[Any] = guarded("recording an X-Ray trace")
        self._tracer = tracer
        self._recording = recording

    @property
    def content(self) -> bool:
        """See `Recorder`."""
        return self._recording.content

    def begin_trace(self, trace: Trace, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        return self._begin(trace, decisions.first_of_trace(trace), context, start_ns)

    def begin_step(self, step: Step, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        return self._begin(step, decisions.first_of_step(step), context, start_ns)

    def begin_step_of_another_run(self, step: Step, context: Context, start_ns: int) -> Span:
        """A step in a span that is none of an X-Ray trace: it belongs to that span's run."""
        attributes = decisions.first_of_step(step, in_other_run=True)
        return self._begin(step, attributes, context, start_ns)

    def note_input(self, step: Step, span: Span) -> None:
        """See `Recorder`."""
        if self.content and span.is_recording():
            attributes = decisions.input_of(step)
            span.set_attributes(attributes)
            if step._span is not None:
                step._span.noted_input = attributes[openinference.INPUT_VALUE]

    def event(self, model: Trace | Step, span: Span, event: Event) -> None:
        """See `Recorder`."""
        span.add_event(event.name, event.attributes, event.time_ns)

    def end_step(self, step: Step, span: Span, end_ns: int) -> None:
        """See `Recorder`."""
        try:
            if span.is_recording():
                _end(span, step, self._last_of(step))
        finally:  # of a model that the program broke too
            span.end(end_ns)

    def end_trace(self, trace: Trace, span: Span, end_ns: int) -> None:
        """See `Recorder`."""
        try:
            if span.is_recording():
                _end(span, trace, decisions.last_of_trace(trace, content=self.content))
        finally:
            span.end(end_ns)

    def replay(self, trace: Trace, context: Context, held: Sequence[HeldStep]) -> None:
        """See `Recorder`. The API gives new ids: those that were current while it ran named no
        span."""
        facts = trace._span
        assert facts is not None
        before = facts.span_id
        start_ns = to_ns(trace.start_time)
        end_ns = start_ns if trace.end_time is None else to_ns(trace.end_time)
        root = self.begin_trace(trace, context, start_ns)
        inside = {before: otel.set_span_in_context(root, context)}
        for each in sorted(held, key=lambda each: each.start_ns):
            self._replay_step(each, inside, inside[before])
        for event in facts.events:
            self.event(trace, root, self._wanted(event))
        self.end_trace(trace, root, end_ns)

    def _replay_step(self, held: HeldStep, inside: dict[str, Context], root: Context) -> None:
        """`inside`: the context in each of the spans so far, by the id that it had."""
        facts = held.step._span
        assert facts is not None
        before, outside = facts.span_id, inside.get(facts.parent_id or "", root)
        span = self.begin_step(held.step, outside, held.start_ns)
        inside[before] = otel.set_span_in_context(span, outside)
        for event in facts.events:
            self.event(held.step, span, self._wanted(event))
        _end(span, held.step, held.attributes)
        span.end(held.end_ns)

    def _wanted(self, event: Event) -> Event:
        return decisions.event(event, content=self.content)

    def _last_of(self, step: Step) -> dict[str, Any]:
        attributes = decisions.last_of_step(step, content=self.content)
        noted = step._span.noted_input if step._span is not None else ""
        if noted and attributes.get(openinference.INPUT_VALUE) == noted:
            del attributes[openinference.INPUT_VALUE], attributes[openinference.INPUT_MIME_TYPE]
        return attributes

    def _begin(
        self, model: Trace | Step, attributes: dict[str, Any], context: Context, start_ns: int
    ) -> Span:
        span = self._tracer.start_span(
            redactor().text(model.name),
            context,
            attributes=attributes,
            start_time=start_ns,
            record_exception=False,
            set_status_on_exception=False,
        )
        facts = note_ids(model, span.get_span_context(), context)
        facts.noted_name = model.name
        return span


class StorageRecorder:
    """Into a storage, as the seed calls it; what that raises, the program gets. The spans that are
    current meanwhile have valid ids, which the models carry, so that others nest under them."""

    keeps_steps = True

    def __init__(self, storage: StorageBackend) -> None:
        self.guard: AbstractContextManager[Any] = nullcontext()
        self._storage = storage

    @property
    def content(self) -> bool:
        """See `Recorder`."""
        return True

    def begin_trace(self, trace: Trace, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        span = stand_in(trace, context)
        self._storage.save_trace(trace)
        return span

    def begin_step(self, step: Step, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        return stand_in(step, context)

    def note_input(self, step: Step, span: Span) -> None:
        """See `Recorder`: a step is saved at its end."""

    def event(self, model: Trace | Step, span: Span, event: Event) -> None:
        """See `Recorder`."""
        keep_event(model, event)

    def end_step(self, step: Step, span: Span, end_ns: int) -> None:
        """See `Recorder`."""
        self._storage.save_step(step)

    def end_trace(self, trace: Trace, span: Span, end_ns: int) -> None:
        """See `Recorder`."""
        self._storage.save_trace(trace)

    def replay(self, trace: Trace, context: Context, held: Sequence[HeldStep]) -> None:
        """See `Recorder`."""
        self._storage.save_trace(trace)
        for each in held:
            self._storage.save_step(each.step)


def _end(span: Span, model: Trace | Step, attributes: dict[str, Any]) -> None:
    facts = model._span
    if facts is not None and facts.noted_name != model.name:  # the program changed the live model
        name = redactor().text(snapshot_name(model.name))
        span.update_name(name)
        if isinstance(model, Trace):
            attributes[flujo.PIPELINE_NAME] = name
    if attributes:
        span.set_attributes(attributes)
    if model.status == "failed":
        message = attributes.get(flujo.ERROR_MESSAGE)
        span.set_status(StatusCode.ERROR, str(message)[:_DESCRIPTION_LIMIT] if message else None)


def stand_in(
    model: Trace | Step, context: Context, flags: TraceFlags | None = None
) -> NonRecordingSpan:
    """A span that records nothing and has ids; `flags` None: those of what is outside."""
    outer = otel.get_current_span(context).get_span_context()
    if flags is None:
        flags = outer.trace_flags if outer.is_valid else SAMPLED
    trace_id = outer.trace_id if outer.is_valid else new_trace_id()
    span_context = SpanContext(
        trace_id,
        new_span_id(),
        False,
        flags,
        outer.trace_state if outer.is_valid else None,
    )
    note_ids(model, span_context, context)
    return NonRecordingSpan(span_context)


def note_ids(model: Trace | Step, span_context: SpanContext, context: Context) -> SpanFacts:
    """Have `model` carry the ids of its span, which begins in `context`."""
    outer = otel.get_current_span(context).get_span_context()
    if model._span is None:
        model._span = SpanFacts()
    model._span.ids = span_context.trace_id, span_context.span_id, outer.span_id
    return model._span


def keep_event(model: Trace | Step, event: Event) -> None:
    """Have `model` carry the event, for who records it later."""
    if model._span is not None:
        model._span.events.append(event)
