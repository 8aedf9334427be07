"""Trace and Step to span records, and stored spans back to them."""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Literal

from flujo_otel.errors import MalformedTrace
from flujo_otel.model import Batch, Event, Resource, Run, RunStatus, Scope, Span, SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, openinference, xray
from flujo_otel.storage import decisions
from flujo_otel.storage.moments import from_ns, offset_seconds, to_ns
from flujo_otel.storage.traces import SpanFacts, Step, Trace
from flujo_otel.wire.content_id import content_id
from flujo_otel.wire.message import otel_id
from flujo_otel.wire.projection import project
from flujo_otel.wire.protobuf import delimited, tag
from flujo_otel.wire.values import clean_text, encode_attributes

SCOPE_NAME: Final = "flujo_otel.xray"
_SCOPE_OTLP: Final = delimited(tag(1, 2), SCOPE_NAME.encode())
SCOPE: Final = Scope(content_id(_SCOPE_OTLP, b""), SCOPE_NAME, "", "", _SCOPE_OTLP)
RESOURCE: Final = Resource(content_id(b"", b""), "{}", "", b"")

_MARKS: Final = frozenset({xray.TRACE_ID, xray.STEP_ID})
_INTERNAL: Final = 1
_SAMPLED: Final = 1
_ERROR: Final = 2
_DESCRIPTION_LIMIT: Final = 1024
_STATUSES: Final[dict[str, Literal["running", "completed", "failed"]]] = {
    RunStatus.RUNNING: "running",
    RunStatus.PAUSED: "running",
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.DIED: "failed",
}
"""X-Ray knows three: a paused run goes on, a died one does not."""


def statuses_of(status: str) -> list[str]:
    """The store's statuses that X-Ray calls `status`."""
    return [str(stored) for stored, named in _STATUSES.items() if named == status]


def batch_of(records: Sequence[SpanRecord]) -> Batch:
    """`records` of X-Ray's with the resource and scope that all of them name."""
    return Batch(records, (RESOURCE,), (SCOPE,))


def trace_record(trace: Trace, *, content: bool = True) -> SpanRecord:
    """The span of the trace itself. Raises MalformedTrace."""
    facts = trace._span
    if facts is None or not facts.span_id:
        facts = SpanFacts((_trace_id(trace.trace_id), _root_id(trace.trace_id), 0))
    attributes = {
        **decisions.first_of_trace(trace),
        **decisions.last_of_trace(trace, content=content),
        **_as_given(trace),
    }
    return _record(trace, facts, attributes, Role.RUN_ROOT, content=content)


def step_record(step: Step, *, content: bool = True) -> SpanRecord:
    """The span of a step. Raises MalformedTrace."""
    facts = step._span
    if facts is None or not facts.span_id:
        span_id = _hashed(f"step {step.trace_id} {step.step_id}")
        facts = SpanFacts((_trace_id(step.trace_id), span_id, _root_id(step.trace_id)))
    attributes = {
        **decisions.first_of_step(step),
        **decisions.last_of_step(step, content=content),
        **_as_given(step),
    }
    return _record(step, facts, attributes, Role.STEP, content=content)


def _record(
    model: Trace | Step, facts: SpanFacts, attributes: dict[str, Any], role: Role, *, content: bool
) -> SpanRecord:
    if facts.is_foreign:
        raise MalformedTrace(
            f"{model.name!r} of {model.trace_id} was not recorded by X-Ray: saving it here would"
            " replace its span by what Trace and Step have room for."
        )
    is_error = model.status == "failed"
    known = project(
        attributes,
        is_root=facts.parent_id is None,
        ended=model.status != "running",
        is_error=is_error,
        at_ns=to_ns(model.start_time),
    )
    message = attributes.get(flujo.ERROR_MESSAGE, "")
    return SpanRecord(
        trace_id=facts.trace_id,
        otel_span_id=facts.span_id,
        otel_parent_id=facts.parent_id,
        name=redactor().text(clean_text(model.name)),
        kind=_INTERNAL,
        start_time_ns=to_ns(model.start_time),
        end_time_ns=None if model.end_time is None else to_ns(model.end_time),
        status=model.status,
        status_message=clean_text(str(message))[:_DESCRIPTION_LIMIT] if message else None,
        attributes=encode_attributes(b"", attributes)[1],
        events=_events([decisions.event(each, content=content) for each in facts.events]),
        links=None,
        resource_id=RESOURCE.resource_id,
        scope_id=SCOPE.scope_id,
        run_id=clean_text(model.trace_id),
        role=role,
        cost_usd=known.cost_usd,
        tokens=known.tokens,
        flags=_SAMPLED,
        status_code=_ERROR if is_error else 0,
        otlp=None,
    )


def _events(events: Sequence[Event]) -> str | None:
    """As `SpanRecord.events` has them."""
    if not events:
        return None
    members = (
        {"name": each.name, "time_ns": each.time_ns, "attributes": each.attributes}
        for each in events
    )
    return f"[{','.join(encode_attributes(b'', each)[1] for each in members)}]"


def _as_given(model: Trace | Step) -> dict[str, Any]:
    """Of a model made by hand, what its span's times do not say."""
    found: dict[str, Any] = {}
    if model.duration_ms != _duration_ms(model):
        found[xray.DURATION_MS] = -1 if model.duration_ms is None else model.duration_ms
    offset = offset_seconds(model.start_time)
    if offset is not None:
        found[xray.UTC_OFFSET_SECONDS] = offset
    return found


def _duration_ms(model: Trace | Step) -> int | None:
    if model.end_time is None:
        return None
    return (to_ns(model.end_time) - to_ns(model.start_time)) // 10**6


def _trace_id(given: str) -> int:
    return int.from_bytes(otel_id(clean_text(given), 16), "big")


def _root_id(trace_id: str) -> int:
    return _hashed(f"trace {trace_id}")


def _hashed(text: str) -> int:
    return int.from_bytes(blake2b(clean_text(text).encode(), digest_size=8).digest(), "big") or 1


def trace_of(run: Run, spans: Sequence[Span]) -> Trace:
    """A run as a Trace: `spans` are its roots and steps in order of start."""
    root = next((span for span in spans if span.role & Role.RUN_ROOT), None)
    attributes = root.attributes if root is not None else {}
    steps = [span for span in spans if span.role & Role.STEP]
    trace = Trace(
        trace_id=run.run_id,
        name=run.pipeline_name,
        start_time=from_ns(run.start_time_ns, _offset(attributes)),
        **_end(run.start_time_ns, run.end_time_ns, attributes),
        status=_STATUSES[run.status],
        metadata=decisions.metadata_of(attributes),
        steps=sorted(
            (_step_of(run.run_id, span, place) for place, span in enumerate(steps)),
            key=lambda step: step.step_order,
        ),
    )
    if root is not None:
        trace._span = _facts(root)
        trace._span.error = str(attributes.get(flujo.ERROR_MESSAGE) or root.status_message or "")
    return trace


def _step_of(trace_id: str, span: Span, place: int) -> Step:
    """`place`: among the trace's steps in order of start."""
    attributes = span.attributes
    order = attributes.get(flujo.STEP_INDEX)
    reasoning = attributes.get(xray.REASONING)
    error = attributes.get(flujo.ERROR_MESSAGE) or span.status_message
    step = Step(
        step_id=str(attributes.get(xray.STEP_ID) or attributes.get(flujo.STEP_ID) or span.span_id),
        trace_id=trace_id,
        name=span.name,
        step_order=order if isinstance(order, int) else place,
        input=decisions.object_of(attributes.get(openinference.INPUT_VALUE)) or {},
        output=decisions.object_of(attributes.get(openinference.OUTPUT_VALUE)),
        reasoning=None if reasoning is None else str(reasoning),
        metadata=decisions.metadata_of(attributes),
        start_time=from_ns(span.start_time_ns, _offset(attributes)),
        **_end(span.start_time_ns, span.end_time_ns, attributes),
        status=_STATUSES.get(span.status, "failed"),
        error=None if error is None else str(error),
    )
    step._span = _facts(span)
    return step


def _end(start_time_ns: int, end_time_ns: int | None, attributes: Any) -> dict[str, Any]:
    stated = attributes.get(xray.DURATION_MS)
    if end_time_ns is None:
        return {"duration_ms": stated if isinstance(stated, int) and stated >= 0 else None}
    duration_ms = (end_time_ns - start_time_ns) // 10**6
    if isinstance(stated, int):
        duration_ms = stated
    return {
        "end_time": from_ns(end_time_ns, _offset(attributes)),
        "duration_ms": None if duration_ms < 0 else duration_ms,
    }


def _offset(attributes: Any) -> int | None:
    offset = attributes.get(xray.UTC_OFFSET_SECONDS)
    return offset if isinstance(offset, int) and abs(offset) < 86_400 else None


def _facts(span: Span) -> SpanFacts:
    parent = 0 if span.otel_parent_id is None else _number(span.otel_parent_id, 8)
    facts = SpanFacts((_number(span.trace_id, 16), _number(span.otel_span_id, 8), parent))
    facts.is_managed = False
    facts.is_foreign = _MARKS.isdisjoint(span.attributes)
    facts.error_type = str(span.attributes.get(flujo.ERROR_TYPE) or "")
    facts.events = list(span.events)
    return facts


def document_of(records: Sequence[SpanRecord]) -> dict[str, Any] | None:
    """A trace as appendix B's JSON, of the record of its root and those of its steps; None where
    the root is not among them. Times have their offset: who reads them may be anywhere."""
    root = next((record for record in records if record.role & Role.RUN_ROOT), None)
    if root is None:
        return None
    run = Run(
        run_id=root.run_id or root.trace_id,
        pipeline_name=root.name,
        pipeline_version="",
        status=RunStatus(root.status),
        start_time_ns=root.start_time_ns,
        end_time_ns=root.end_time_ns,
        last_time_ns=root.end_time_ns or root.start_time_ns,
        total_cost_usd=None,
        total_tokens=None,
        span_count=len(records),
        error_count=0,
    )
    trace = trace_of(run, [_span_of(record) for record in records])
    models: list[Trace | Step] = [trace, *trace.steps]
    for model in models:
        model.start_time = model.start_time.astimezone()
        model.end_time = model.end_time and model.end_time.astimezone()
    return trace.model_dump(mode="json")


def _span_of(record: SpanRecord) -> Span:
    return Span(
        span_id=record.otel_span_id,
        run_id=record.run_id or record.trace_id,
        trace_id=record.trace_id,
        otel_span_id=record.otel_span_id,
        otel_parent_id=record.otel_parent_id,
        name=record.name,
        kind=record.kind,
        start_time_ns=record.start_time_ns,
        end_time_ns=record.end_time_ns,
        status=record.status,
        status_message=record.status_message,
        attributes=json.loads(record.attributes),
        events=(),
        links=(),
        role=record.role,
        cost_usd=record.cost_usd,
        tokens=record.tokens,
    )


def _number(given: str, size_bytes: int) -> int:
    """An id as it is stored; one that is no OTel id is its hash, as it is where it is forwarded."""
    return int.from_bytes(otel_id(given, size_bytes), "big")
