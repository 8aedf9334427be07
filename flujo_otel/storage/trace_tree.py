"""Trace trees, as Trace Storage v2.0 takes and gives them, to span records and back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

from flujo_otel.errors import MalformedTrace
from flujo_otel.model import Batch, Resource, Scope, SpanRecord
from flujo_otel.model.record import LAST_TIME_NS, Role
from flujo_otel.redaction import redactor
from flujo_otel.spanstore.runlog import SpanRow
from flujo_otel.storage.plain import to_plain
from flujo_otel.wire.content_id import content_id
from flujo_otel.wire.protobuf import delimited, tag
from flujo_otel.wire.values import clean_text, encode_attributes

_SCOPE_NAME: Final = "flujo_otel.storage"
_SCOPE_OTLP: Final = delimited(tag(1, 2), _SCOPE_NAME.encode())
SCOPE: Final = Scope(content_id(_SCOPE_OTLP, b""), _SCOPE_NAME, "", "", _SCOPE_OTLP)
"""Marks the spans of saved trees: saving one again replaces these, and no others of the run."""
_RESOURCE: Final = Resource(content_id(b"", b""), "{}", "", b"")

_LAST_SECOND: Final = LAST_TIME_NS // 10**9
_INTERNAL: Final = 1
_STATUS_ERROR: Final = 2


class _Node(NamedTuple):
    span: Mapping[str, Any]
    parent_id: str | None
    path: str
    """How a person finds it: trace.children[0]."""


def to_batch(run_id: str, trace: Any) -> Batch:
    """All spans of the tree, parents first.

    Raises MalformedTrace, which says where in the tree what is wrong.
    """
    seen: set[str] = set()
    records = []
    for node in _nodes(trace):
        record = _record(run_id, node)
        if record.otel_span_id in seen:
            raise MalformedTrace(f"{node.path}: span_id {record.otel_span_id!r} occurs twice.")
        seen.add(record.otel_span_id)
        records.append(record)
    return Batch(records, (_RESOURCE,), (SCOPE,))


def spans_to_batch(run_id: str, spans: Sequence[Any]) -> Batch:
    """Spans that say their `parent_span_id` themselves. Raises MalformedTrace."""
    records = []
    for place, span in enumerate(spans):
        path = f"spans[{place}]"
        if not isinstance(span, Mapping):
            raise MalformedTrace(f"{path} is {_what(span)}; it must be a dict.")
        parent_id = span.get("parent_span_id")
        above = None if parent_id is None else clean_text(str(parent_id))
        records.append(_record(run_id, _Node(span, above, path)))
    return Batch(records, (_RESOURCE,), (SCOPE,))


def to_tree(rows: Sequence[SpanRow]) -> dict[str, Any] | None:
    """The tree of a run's spans; of several roots the one that started first. None: no spans."""
    nodes = [{**to_span(row), "children": []} for row in rows]
    by_id = {(row.trace_id, row.span_id): node for row, node in zip(rows, nodes, strict=True)}
    roots = []
    for row, node in zip(rows, nodes, strict=True):
        parent = by_id.get((row.trace_id, row.parent_id or ""))
        if parent is None or parent is node:
            roots.append(node)
        else:
            parent["children"].append(node)
    return roots[0] if roots else None


def to_span(row: SpanRow) -> dict[str, Any]:
    """One span without its children; times in seconds."""
    return {
        "span_id": row.span_id,
        "parent_span_id": row.parent_id,
        "name": row.name,
        "start_time": to_seconds(row.start_time_ns),
        "end_time": None if row.end_time_ns is None else to_seconds(row.end_time_ns),
        "status": row.status,
        "attributes": json.loads(row.attributes),
    }


def to_seconds(time_ns: int) -> float:
    """The very float that `time_ns` was taken from: both ways are rounded once."""
    return time_ns / 10**9


def to_nanoseconds(seconds: float) -> int:
    """Unix time; exact, where `seconds * 1e9` would be up to 128 ns off."""
    return round(Fraction(seconds) * 10**9)


def to_window(time_range: Any) -> tuple[int, int]:
    """Both ends in nanoseconds, one before or after all times that spans may have as just outside
    them. Raises MalformedTrace."""
    try:
        since, until = map(_end_of_window, time_range)
    except (TypeError, ValueError):
        raise MalformedTrace(
            f"time_range is {_what(time_range)}; it must be (start, end) in seconds of Unix time."
        ) from None
    return since, until


def _end_of_window(seconds: float) -> int:
    if seconds < 0:
        return -1
    return LAST_TIME_NS + 1 if seconds > _LAST_SECOND else to_nanoseconds(seconds)


def _nodes(trace: Any) -> Iterator[_Node]:
    """Depth first, parents first; without recursion, so that depth does not matter."""
    waiting = [_Node(trace, None, "trace")]
    above: dict[int, str] = {}
    while waiting:
        node = waiting.pop()
        if not isinstance(node.span, Mapping):
            raise MalformedTrace(f"{node.path} is {_what(node.span)}; it must be a dict.")
        if id(node.span) in above:
            raise MalformedTrace(f"{node.path} is {above[id(node.span)]} once more.")
        above[id(node.span)] = node.path
        yield node  # whoever takes it refuses a span without an id
        children = node.span.get("children") or ()
        if not isinstance(children, list | tuple):
            raise MalformedTrace(f"{node.path}.children is {_what(children)}; it must be a list.")
        span_id = clean_text(str(node.span["span_id"]))
        for place in reversed(range(len(children))):
            waiting.append(_Node(children[place], span_id, f"{node.path}.children[{place}]"))


def _record(run_id: str, node: _Node) -> SpanRecord:
    span_id, name = _required_text(node, "span_id"), _required_text(node, "name")
    start_time_ns = _time_ns(node, "start_time", 0.0) or 0
    end_time_ns = _time_ns(node, "end_time", None)
    status = clean_text(str(node.span.get("status") or "running"))
    return SpanRecord(
        trace_id=run_id,
        otel_span_id=span_id,
        otel_parent_id=node.parent_id,
        name=redactor().text(name),
        kind=_INTERNAL,
        start_time_ns=start_time_ns,
        end_time_ns=end_time_ns,
        status=status,
        status_message=None,
        attributes=_attributes(node),
        events=None,
        links=None,
        resource_id=_RESOURCE.resource_id,
        scope_id=SCOPE.scope_id,
        run_id=run_id,
        role=Role.RUN_ROOT if node.parent_id is None else Role.PLAIN,
        cost_usd=None,
        tokens=None,
        flags=0,
        status_code=_STATUS_ERROR if status == "failed" else 0,
        otlp=None,
    )


def _required_text(node: _Node, key: str) -> str:
    value = node.span.get(key)
    if value is None or value == "":
        raise MalformedTrace(f"{node.path} has no {key}.")
    return clean_text(str(value))


def _time_ns(node: _Node, key: str, default: float | None) -> int | None:
    value = node.span.get(key)
    if value is None:
        value = default
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedTrace(f"{node.path}.{key} is {_what(value)}; it must be seconds.")
    if not 0 <= value <= _LAST_SECOND:
        raise MalformedTrace(f"{node.path}.{key} is {value}; it must be seconds of Unix time.")
    return to_nanoseconds(value)


def _attributes(node: _Node) -> str:
    given = node.span.get("attributes")
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise MalformedTrace(f"{node.path}.attributes is {_what(given)}; it must be a dict.")
    return encode_attributes(b"", redactor().attributes(to_plain(given)))[1]


def _what(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
