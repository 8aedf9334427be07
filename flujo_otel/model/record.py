"""What a writer is given: one `SpanRecord` a span, in batches.

A record carries the exact span (`otlp`, `*_ns`, the OTel ids) beside its readable projection
(`attributes`, `status`, ...). NamedTuples, not dataclasses: a record is made for every span in the
traced process, and a frozen dataclass of this size costs ten times as much to make.
"""

from collections.abc import Sequence
from enum import IntFlag
from typing import Final, NamedTuple

LAST_TIME_NS: Final = (1 << 63) - 2
"""The last Unix time that a span may have, in the year 2262. SQLite holds one more, which as the
start of a run's root says that the run was handed in as a finished row (`spanstore.sqlite.runlog`)
and not traced."""


class Role(IntFlag):
    """What else a span is, beside being a span."""

    PLAIN = 0
    STEP = 1
    """It gets a row of `steps`."""
    RUN_ROOT = 2
    """Its status and times are its run's."""


class SpanRecord(NamedTuple):
    """One span as it is stored. `end_time_ns` None: still running."""

    trace_id: str
    """32 lower-case hex digits, or a foreign id as it was given."""
    otel_span_id: str
    """16 lower-case hex digits, or a foreign id as it was given."""
    otel_parent_id: str | None
    name: str
    kind: int
    """OTLP's SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""
    start_time_ns: int
    end_time_ns: int | None
    status: str
    """`running`, `completed`, `failed` or `paused`."""
    status_message: str | None
    attributes: str
    """Strict JSON object (docs/spans.md says how what JSON cannot say is written)."""
    events: str | None
    """JSON array of {name, time_ns, attributes}, None when there are none."""
    links: str | None
    """JSON array of {trace_id, span_id, attributes}, None when there are none."""
    resource_id: int
    scope_id: int
    run_id: str | None
    """The run it belongs to, where the span itself or its living ancestors say so."""
    role: int
    cost_usd: float | None
    tokens: int | None
    flags: int
    """OTLP's span flags: W3C trace flags, and whether the parent is remote."""
    status_code: int
    """OTLP's: 0 unset, 1 ok, 2 error."""
    otlp: bytes | None
    """The span as an OTLP protobuf message, unknown fields included: the truth. None: it is exactly
    what the other fields say, with no links and nothing dropped; `wire.message` writes it then."""


new_record: Final = tuple.__new__
"""Of SpanRecord and all its values in one tuple: what SpanRecord(...) does by way of a function of
its own, in half the time. Checked by nobody, so for the two hot paths alone."""


class Resource(NamedTuple):
    """An OTLP Resource; `resource_id` is a hash of its content (`wire.content_id`). `otlp`: its
    message, and unknown fields beside it (`wire.unknown_fields`)."""

    resource_id: int
    attributes: str
    schema_url: str
    otlp: bytes


class Scope(NamedTuple):
    """An OTLP InstrumentationScope; `scope_id` is a hash of its content. `otlp` as a Resource's."""

    scope_id: int
    name: str
    version: str
    schema_url: str
    otlp: bytes


class Batch(NamedTuple):
    """Records with the resources and scopes that they name."""

    records: Sequence[SpanRecord]
    resources: Sequence[Resource] = ()
    scopes: Sequence[Scope] = ()
