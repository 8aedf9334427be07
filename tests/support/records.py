"""SpanRecords for tests, with sensible values for all that a test does not care about."""

import inspect
import json
from typing import Any

from flujo_otel.model import SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.wire import message

BASE_NS = 1_700_000_000_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_TRACE = "1bf7651916cd43dd8448eb211c80319c"


def span_id(number: int) -> str:
    """The id of test span `number`."""
    return f"{number:016x}"


def record(number: int, parent: int | None = None, /, **given: Any) -> SpanRecord:
    """Span `number` beneath `parent`; starts `number` ms after BASE_NS and takes 1 ms."""
    start_time_ns = given.pop("start_time_ns", BASE_NS + number * 1_000_000)
    status = given.pop("status", "completed")
    values: dict[str, Any] = {
        "trace_id": TRACE,
        "otel_span_id": span_id(number),
        "otel_parent_id": None if parent is None else span_id(parent),
        "name": f"span-{number}",
        "kind": 1,
        "start_time_ns": start_time_ns,
        "end_time_ns": None if status == "running" else start_time_ns + 1_000_000,
        "status": status,
        "status_message": None,
        "attributes": "{}",
        "events": None,
        "links": None,
        "resource_id": 1,
        "scope_id": 1,
        "run_id": None,
        "role": int(Role.RUN_ROOT if parent is None else Role.PLAIN),
        "cost_usd": None,
        "tokens": None,
        "flags": 0x101,
        "status_code": 0,
    }
    values |= given
    values.setdefault("otlp", repr(sorted(values.items())).encode())
    return SpanRecord(**values)


def root(number: int, run_id: str, /, **given: Any) -> SpanRecord:
    """The root of run `run_id` of pipeline "triage"; `more`: further attributes."""
    attributes = {"flujo.run_id": run_id, "flujo.pipeline.name": "triage"}
    attributes |= given.pop("more", {})
    given.setdefault("name", "pipeline_run")
    return record(
        number,
        given.pop("parent", None),
        run_id=run_id,
        role=int(Role.RUN_ROOT),
        attributes=json.dumps(attributes),
        **given,
    )


def step(number: int, parent: int, index: int | None, /, **given: Any) -> SpanRecord:
    """A step span, the `index`th of its run; `more`: further attributes."""
    attributes = {"flujo.step.type": "Step", "flujo.step.index": index, **given.pop("more", {})}
    return record(number, parent, role=int(Role.STEP), attributes=json.dumps(attributes), **given)


FROM_COLUMNS = tuple(inspect.signature(message.of_columns).parameters)
"""The columns that a span's OTLP message is made of, where it is stored without."""


def otlp(record: SpanRecord) -> bytes:
    """The span as OTLP, as a record says it."""
    if record.otlp is not None:
        return record.otlp
    assert record.links is None
    return message.of_columns(**{name: getattr(record, name) for name in FROM_COLUMNS})
