"""Runs made of model objects, in memory or in a real store, for tests of what `lens` shows."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flujo_otel.model import Batch, Event, Resource, Run, RunStatus, Scope, Span, SpanRecord, Step
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo, gen_ai
from flujo_otel.spanstore.api import (
    BacklogSize,
    InnerRun,
    NameStatistics,
    Root,
    RunFilter,
    SpanFilter,
    SpanHints,
)

MS = 1_000_000
SECOND = 1_000 * MS
START_NS = 1_763_700_000 * SECOND
TRACE_ID = "7f3a91c2" + "0" * 24

STACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/flujo/runner.py", line 7, in run
  File "/srv/app.py", line 41, in answer
ValueError: sour milk
"""


def a_span(
    number: int,
    name: str,
    start_ms: float,
    end_ms: float | None,
    parent: int | None = None,
    *,
    status: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    events: tuple[Event, ...] = (),
    role: int = 0,
    message: str | None = None,
    run_id: str = TRACE_ID,
) -> Span:
    """A span of the run at START_NS, times in milliseconds from there."""
    return Span(
        span_id=f"{number:016x}",
        run_id=run_id,
        trace_id=TRACE_ID,
        otel_span_id=f"{number:016x}",
        otel_parent_id=None if parent is None else f"{parent:016x}",
        name=name,
        kind=1,
        start_time_ns=START_NS + int(start_ms * MS),
        end_time_ns=None if end_ms is None else START_NS + int(end_ms * MS),
        status=status or ("running" if end_ms is None else "completed"),
        status_message=message,
        attributes=attributes or {},
        events=events,
        links=(),
        role=role,
        cost_usd=None,
        tokens=None,
    )


def a_step(
    number: int, name: str, start_ms: float, end_ms: float | None, parent: int, **more: Any
) -> Span:
    """A step span of flujo's; `more` are its attributes but for `status` and `events`."""
    status, events = more.pop("status", None), more.pop("events", ())
    attributes = {flujo.STEP_TYPE: "Step", **more.pop("attributes", {})}
    return a_span(
        number,
        name,
        start_ms,
        end_ms,
        parent,
        status=status,
        attributes=attributes,
        events=events,
        role=Role.STEP,
        **more,
    )


def a_run(spans: Sequence[Span] = (), **changes: Any) -> Run:
    ends = [span.end_time_ns for span in spans if span.end_time_ns is not None]
    facts: dict[str, Any] = {
        "run_id": TRACE_ID,
        "pipeline_name": "support-triage",
        "pipeline_version": "1.2",
        "status": RunStatus.COMPLETED,
        "start_time_ns": START_NS,
        "end_time_ns": max(ends, default=START_NS),
        "last_time_ns": max(ends, default=START_NS),
        "total_cost_usd": None,
        "total_tokens": None,
        "span_count": len(spans),
        "error_count": sum(span.status == "failed" for span in spans),
        "trace_id": TRACE_ID,
    }
    return Run(**{**facts, **changes})


def exception(kind: str, message: str, stack: str = "", at_ms: float = 0) -> Event:
    attributes = {"exception.type": kind, "exception.message": message}
    if stack:
        attributes["exception.stacktrace"] = stack
    return Event("exception", START_NS + int(at_ms * MS), attributes)


def support_triage() -> tuple[Run, list[Span]]:
    """The run of looks: a loop, a condition, parallel branches, a cache hit, an LLM, a failure."""
    sour = exception("ValueError", "sour milk", STACK, 4210)
    chat = {gen_ai.REQUEST_MODEL: "gpt-4o-mini", gen_ai.INPUT_TOKENS[0]: 910}
    loop = {
        flujo.STEP_TYPE: "LoopStep",
        flujo.LOOP_ITERATIONS: 3,
        flujo.LOOP_EXIT_REASON: "met",
    }
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 4210, status="failed", role=Role.RUN_ROOT),
        a_step(2, "classify", 0, 310, 1),
        a_step(3, "climb", 310, 2210, 1, attributes=loop),
        a_step(4, "up", 310, 930, 3, attributes={flujo.ITERATION_NUMBER: 1}),
        a_step(5, "up", 930, 1540, 3, attributes={flujo.ITERATION_NUMBER: 2}),
        a_step(
            6,
            "up",
            1540,
            2210,
            3,
            attributes={flujo.ITERATION_NUMBER: 3, flujo.STEP_ATTEMPTS: 2},
        ),
        a_step(
            7,
            "route",
            2230,
            2360,
            1,
            attributes={flujo.STEP_TYPE: "ConditionalStep", flujo.BRANCH_KEY: "refund"},
        ),
        a_step(8, "refund", 2235, 2355, 7, attributes={flujo.PARALLEL_BRANCH: "refund"}),
        a_step(9, "gather", 2360, 3560, 1, attributes={flujo.STEP_TYPE: "ParallelStep"}),
        a_step(10, "orders", 2360, 2362, 9, attributes={flujo.CACHE_HIT: True}),
        a_step(11, "history", 2360, 3560, 9),
        a_span(
            12,
            "chat gpt-4o-mini",
            2400,
            3500,
            11,
            attributes={**chat, gen_ai.OUTPUT_TOKENS[0]: 120},
        ),
        a_step(
            13,
            "answer",
            3570,
            4210,
            1,
            status="failed",
            attributes={flujo.STEP_ATTEMPTS: 2},
            events=(sour,),
        ),
    ]
    return a_run(spans, status=RunStatus.FAILED, total_cost_usd=0.013, total_tokens=3410), spans


@dataclass
class ListReader:
    """A TraceReader over lists of model objects."""

    runs: list[Run] = field(default_factory=list)
    all_spans: list[Span] = field(default_factory=list)
    all_steps: list[Step] = field(default_factory=list)
    rows: list[NameStatistics] = field(default_factory=list)

    def list_runs(self, where: RunFilter, limit: int) -> list[Run]:
        newest = sorted(self.runs, key=lambda run: -run.start_time_ns)
        found = [run for run in newest if where.status in (None, run.status)]
        if where.outermost:
            inner = {each.run_id for each in self.inner_runs([run.trace_id or "" for run in found])}
            found = [run for run in found if run.run_id not in inner]
        return found[:limit]

    def backlog(self, until_id: int | None = None) -> BacklogSize:
        return BacklogSize()

    def count_runs(self, where: RunFilter) -> int:
        return len(self.list_runs(where, len(self.runs)))

    def count_quickly(self, where: RunFilter, most: int) -> int | None:
        return self.count_runs(where)

    def get_run(self, run_id: str) -> Run | None:
        return next((run for run in self.runs if run.run_id == run_id), None)

    def runs_with_prefix(self, prefix: str, limit: int) -> list[Run]:
        found = self.list_runs(RunFilter(), len(self.runs))
        return [run for run in found if run.run_id.startswith(prefix)][:limit]

    def runs_of_trace(self, trace_id: str) -> list[Run]:
        return [run for run in self.runs if run.trace_id == trace_id]

    def roots(self, run_ids: Sequence[str]) -> dict[str, Root]:
        by_id = {span.otel_span_id: span for span in self.all_spans}
        first = {span.run_id: span for span in reversed(self.all_spans)}
        found: dict[str, Root] = {}
        for run_id in run_ids:
            root = first.get(run_id)
            if root is None:
                continue
            parent = by_id.get(root.otel_parent_id or "")
            outer = parent.run_id if parent and parent.run_id != run_id else None
            found[run_id] = Root(root.name, root.span_id, root.trace_id, outer, {})
        return found

    def inner_runs(self, trace_ids: Sequence[str]) -> list[InnerRun]:
        found = self.roots([run.run_id for run in self.runs if run.trace_id in trace_ids])
        statuses = {run.run_id: run.status for run in self.runs}
        return [
            InnerRun(run_id, root.outer_run_id, root.trace_id, statuses[run_id])
            for run_id, root in found.items()
            if root.outer_run_id is not None
        ]

    def root_spans(self, of_runs: Iterable[Root]) -> dict[str, Span]:
        wanted = {root.span_id for root in of_runs}
        return {span.run_id: span for span in self.all_spans if span.span_id in wanted}

    def unique_prefixes(self, run_ids: Sequence[str]) -> dict[str, int]:
        return {run_id: self._unique_prefix(run_id) for run_id in run_ids}

    def _unique_prefix(self, run_id: str) -> int:
        length = 1
        while len(self.runs_with_prefix(run_id[:length], 2)) > 1 and length < len(run_id):
            length += 1
        return length

    def spans(self, run_id: str, where: SpanFilter = SpanFilter()) -> Iterator[Span]:  # noqa: B008
        return (span for span in self.all_spans if span.run_id == run_id)

    def count_spans(self, run_id: str, where: SpanFilter = SpanFilter()) -> int:  # noqa: B008
        return sum(1 for _ in self.spans(run_id, where))

    def candidates(self, run_ids: Sequence[str], hints: SpanHints) -> Iterator[Span]:
        return iter([span for span in self.all_spans if span.run_id in run_ids])

    def steps(self, run_id: str) -> list[Step]:
        return [step for step in self.all_steps if step.run_id == run_id]

    def statistics(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None, buckets: int
    ) -> list[NameStatistics]:
        return self.rows

    def close(self) -> None:
        """Nothing is held."""


def store(path: Path, spans: Sequence[Span], **root: Any) -> None:
    """Write `spans` into the real store at `path`. `root`: attributes for the run's root span."""
    from flujo_otel.spanstore.factory import open_writer

    resource = Resource(1, json.dumps({"service.name": "app"}), "", b"")
    scope = Scope(1, "tests", "", "", b"")
    writer = open_writer(path)
    records = [_record(span, root if span.role & Role.RUN_ROOT else {}) for span in spans]
    result = writer.write(Batch(records, (resource,), (scope,)))
    assert list(result.rejected) == []
    writer.close()


def _record(span: Span, more: Mapping[str, Any]) -> SpanRecord:
    events = [
        {"name": e.name, "time_ns": e.time_ns, "attributes": dict(e.attributes)}
        for e in span.events
    ]
    return SpanRecord(
        trace_id=span.trace_id,
        otel_span_id=span.otel_span_id,
        otel_parent_id=span.otel_parent_id,
        name=span.name,
        kind=span.kind,
        start_time_ns=span.start_time_ns,
        end_time_ns=span.end_time_ns,
        status=span.status,
        status_message=span.status_message,
        attributes=json.dumps({**span.attributes, **more}),
        events=json.dumps(events) if events else None,
        links=None,
        resource_id=1,
        scope_id=1,
        run_id=span.run_id,
        role=span.role,
        cost_usd=span.cost_usd,
        tokens=span.tokens,
        flags=0,
        status_code=0,
        otlp=None,
    )
