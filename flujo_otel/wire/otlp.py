"""ExportTraceServiceRequest to a `Batch`: the collector's hot path, written for speed.

    parsed by the protobuf library (0.2 us a span), each span's own bytes written out again by it
    (0.35 us, unknown fields included), its attributes read and written as JSON (4 us of 5)

What a span says is taken as it is; only what nobody could file is refused, and costs no other span.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING, Final, NamedTuple

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as OTLPResource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from flujo_otel.errors import MalformedRequest
from flujo_otel.model import Batch, Loss, Resource, Scope, SpanRecord
from flujo_otel.model.record import LAST_TIME_NS, new_record
from flujo_otel.redaction import Redactor
from flujo_otel.wire.anyvalue import json_members, json_object, plain_attributes
from flujo_otel.wire.broken_text import mended
from flujo_otel.wire.content_id import content_id
from flujo_otel.wire.partial_success import ALL_WELL, PartialSuccess
from flujo_otel.wire.projection import READ, project
from flujo_otel.wire.unknown_fields import joined

if TYPE_CHECKING:
    from flujo_otel.wire.otlp_redaction import MessageRedactor

MOST_CHARACTERS: Final = 32 * 1024 * 1024
"""Of a span's JSON: SQLite holds a dozen of them while it writes one. 60 MB of control characters,
six times that in JSON and 60 KB in gzip, took 7 GB."""
_LONGEST_ESCAPE: Final = 6
_DAY_NS: Final = 86_400 * 10**9
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_ERROR: Final = Status.STATUS_CODE_ERROR

# Of the spans that have no attribute that matters: nearly all.
_FACTS: Final = {
    (is_root, is_error): project({}, is_root=is_root, ended=True, is_error=is_error)
    for is_root in (True, False)
    for is_error in (True, False)
}


class Decoded(NamedTuple):
    """A request's spans, ready to be written."""

    batch: Batch
    partial_success: PartialSuccess = ALL_WELL
    """What its sender should know already: the spans that are not in the batch."""
    losses: Sequence[Loss] = ()
    """The same for the ledger, with what the spans say of clocks and of data dropped on the way."""


def decode_protobuf(body: bytes, redactor: Redactor | None = None) -> Decoded:
    """The spans of an ExportTraceServiceRequest in protobuf's binary form. An empty one is sound.
    With a `redactor` the secrets in them are redacted. Texts that are no UTF-8 are made such.

    Raises MalformedRequest for what is none: truncated, of other types, nested deeper than 100.
    """
    request, broken_texts = _parsed(body)
    decoder = RequestDecoder(redactor)
    for resource_spans in request.resource_spans:
        beside = _unknown_fields(resource_spans)
        decoder.resource(resource_spans.resource, resource_spans.schema_url, beside)
        for scope_spans in resource_spans.scope_spans:
            beside = _unknown_fields(scope_spans)
            decoder.scope(scope_spans.scope, scope_spans.schema_url, beside)
            for span in scope_spans.spans:
                decoder.span(span)
    decoder.mended(broken_texts)
    return decoder.decoded()


def _parsed(body: bytes) -> tuple[ExportTraceServiceRequest, int]:
    """The request, and how many of its texts had to be mended."""
    try:
        return ExportTraceServiceRequest.FromString(body), 0
    except DecodeError as error:
        with suppress(ValueError, DecodeError):
            sound, broken_texts = mended(body, ExportTraceServiceRequest.DESCRIPTOR)
            if broken_texts:
                return ExportTraceServiceRequest.FromString(sound), broken_texts
        raise MalformedRequest(f"Not an ExportTraceServiceRequest in protobuf: {error}.") from error


def _unknown_fields(message: ResourceSpans | ScopeSpans) -> bytes:
    """Those that stand in it directly."""
    if not len(UnknownFieldSet(message)):  # nearly always, and asked in 0.2 us
        return b""
    rest = type(message)()
    rest.CopyFrom(message)
    for field, _ in message.ListFields():
        rest.ClearField(field.name)
    return bytes(rest.SerializeToString())


class RequestDecoder:
    """Collects one request: `resource`, `scope`, `span`, in the order in which OTLP nests them."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redacts = None if redactor is None else _message_redactor(redactor)
        self._now_ns = time.time_ns()
        self._tomorrow_ns = self._now_ns + _DAY_NS
        self._records: list[SpanRecord] = []
        self._resources: dict[int, Resource] = {}
        self._scopes: dict[int, Scope] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._service = ""
        self._mended_texts = 0
        self._resource_id = self._scope_id = 0

    def resource(self, message: OTLPResource, schema_url: str, beside: bytes = b"") -> None:
        """The resource of the spans that follow, with unknown fields `beside` it."""
        if self._redacts is not None:
            self._redacts.resource(message)
            schema_url = self._redacts.text(schema_url)
        members = json_members(message.attributes)
        exact = joined(message.SerializeToString(), beside)
        self._resource_id = content_id(exact, schema_url.encode())
        if self._resource_id not in self._resources:
            self._resources[self._resource_id] = Resource(
                self._resource_id, json_object(members), schema_url, exact
            )
        named = "service.name" in members
        self._service = str(plain_attributes(message.attributes)["service.name"]) if named else ""

    def scope(self, message: InstrumentationScope, schema_url: str, beside: bytes = b"") -> None:
        """The scope of the spans that follow, with unknown fields `beside` it."""
        if self._redacts is not None:
            self._redacts.scope(message)
            schema_url = self._redacts.text(schema_url)
        exact = joined(message.SerializeToString(), beside)
        self._scope_id = content_id(exact, schema_url.encode())
        if self._scope_id not in self._scopes:
            self._scopes[self._scope_id] = Scope(
                self._scope_id, message.name, message.version, schema_url, exact
            )

    def span(self, span: Span) -> None:
        """One span; refused where its ids are not such, or it is too long."""
        trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
        if parent_id == _NO_SPAN:  # some senders' way to say that there is none
            parent_id = b""
        if fault := _fault(trace_id, span_id, parent_id):
            self.refuse(fault)
            return
        start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        ids = trace_id.hex(), span_id.hex(), parent_id.hex() or None
        shared = self._resource_id, self._scope_id
        if self._redacts is not None:
            self._redacts.span(span)
        record = _record(span, ids, start_ns, end_ns, shared)
        if _is_too_long(record):
            self.refuse(f"data of over {MOST_CHARACTERS} characters in JSON")
            return
        self._records.append(record)
        if end_ns < start_ns:
            self._note("clock_skewed", "ended before it started" if end_ns else "without an end")
        elif end_ns > self._tomorrow_ns:
            self._note("clock_skewed", "more than a day in the future")
        if span.dropped_attributes_count or span.dropped_events_count or span.dropped_links_count:
            self._note("truncated", "by the program that sent it")

    def refuse(self, reason: str, spans: int = 1) -> None:
        """Reject so many spans of the current resource; `reason`: an English phrase."""
        if spans:
            self._note("rejected", reason, spans)

    def mended(self, texts: int) -> None:
        """So many texts of the request were no UTF-8."""
        if texts:
            self._note("text_not_utf8", "", texts)
            self._mended_texts += texts

    def decoded(self) -> Decoded:
        """All of it."""
        batch = Batch(self._records, tuple(self._resources.values()), tuple(self._scopes.values()))
        if not self._counts:
            return Decoded(batch)
        reasons: dict[str, int] = {}
        for (_, kind, detail), count in self._counts.items():
            if kind == "rejected":
                reasons[detail] = reasons.get(detail, 0) + count
        losses = [
            Loss(*key, count, self._now_ns, self._now_ns) for key, count in self._counts.items()
        ]
        return Decoded(batch, PartialSuccess(reasons, self._mended_texts), losses)

    def _note(self, reason: str, detail: str, spans: int = 1) -> None:
        key = self._service, reason, detail
        self._counts[key] = self._counts.get(key, 0) + spans


def _message_redactor(redactor: Redactor) -> "MessageRedactor":
    from flujo_otel.wire.otlp_redaction import MessageRedactor  # few servers redact

    return MessageRedactor(redactor)


def _fault(trace_id: bytes, span_id: bytes, parent_id: bytes) -> str:
    """What is wrong with a span's ids; "" where nothing is."""
    if len(trace_id) != 16:
        return f"a trace id of {len(trace_id)} bytes (OTLP's have 16)"
    if len(span_id) != 8:
        return f"a span id of {len(span_id)} bytes (OTLP's have 8)"
    if parent_id and len(parent_id) != 8:
        return f"a parent span id of {len(parent_id)} bytes (OTLP's have 8)"
    if trace_id == _NO_TRACE:
        return "a trace id of zeros alone"
    return "a span id of zeros alone" if span_id == _NO_SPAN else ""


def _record(
    span: Span,
    ids: tuple[str, str, str | None],
    start_ns: int,
    end_ns: int,
    shared: tuple[int, int],
) -> SpanRecord:
    members = json_members(span.attributes)
    status = span.status
    code = status.code
    is_root, is_error = ids[2] is None, code == _ERROR
    if READ.isdisjoint(members):
        facts = _FACTS[is_root, is_error]
    else:
        attributes = plain_attributes(span.attributes)
        facts = project(attributes, is_root=is_root, ended=True, is_error=is_error, at_ns=start_ns)
    if start_ns > LAST_TIME_NS or end_ns > LAST_TIME_NS:
        start_ns, end_ns = min(start_ns, LAST_TIME_NS), min(end_ns, LAST_TIME_NS)
    events, links = span.events, span.links
    run_id, role, stated, cost_usd, tokens = facts
    return new_record(
        SpanRecord,
        (
            *ids,
            span.name,
            span.kind,
            start_ns,
            # OTLP carries ended spans alone: one without an end took no time, as far as anybody
            # knows.
            end_ns or start_ns,
            stated,
            status.message or None,
            json_object(members),
            _events_json(events) if events else None,
            _links_json(links) if links else None,
            *shared,
            run_id,
            role,
            cost_usd,
            tokens,
            span.flags,
            code,
            span.SerializeToString(),
        ),
    )


def _is_too_long(record: SpanRecord) -> bool:
    exact = record.otlp or b""
    if len(exact) * _LONGEST_ESCAPE <= MOST_CHARACTERS:
        return False
    texts = (record.name, record.status_message, record.attributes, record.events, record.links)
    return sum(len(text) for text in texts if text) > MOST_CHARACTERS


def _events_json(events: Iterable[Span.Event]) -> str:
    return "[" + ",".join([_event_json(event) for event in events]) + "]"


def _event_json(event: Span.Event) -> str:
    time_ns = min(event.time_unix_nano, LAST_TIME_NS)
    attributes = json_object(json_members(event.attributes))
    return f'{{"name":{quote(event.name)},"time_ns":{time_ns},"attributes":{attributes}}}'


def _links_json(links: Iterable[Span.Link]) -> str:
    return "[" + ",".join([_link_json(link) for link in links]) + "]"


def _link_json(link: Span.Link) -> str:
    ids = f'"trace_id":"{link.trace_id.hex()}","span_id":"{link.span_id.hex()}"'
    return f'{{{ids},"attributes":{json_object(json_members(link.attributes))}}}'
