"""flujo's rows as our plain data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flujo_otel.model import Run, RunStatus, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.spanstore.flujo import times

_INTERNAL = 1
_OPEN = (RunStatus.RUNNING, RunStatus.PAUSED)

# 0.4's names, then 0.6's.
_STEP_KEYS = ("step_type", "flujo.step.type")
_COST_KEYS = ("cost_usd", "flujo.budget.actual_cost_usd")
_TOKEN_KEYS = ("token_counts", "flujo.budget.actual_tokens")


def status_of(text: Any) -> RunStatus:
    """`cancelled`, `error` and whatever else ended a run badly is failed."""
    return RunStatus(text) if text in ("running", "paused", "completed") else RunStatus.FAILED


def run_of(row: Sequence[Any], origin: str) -> Run:
    """A row of `Layout.runs`."""
    run_id, name, version, status, start, end, cost, tokens, context, spans, errors, extent = row
    start_ns = times.of_iso(start) or 0
    status = status_of(status)
    # 0.6 keeps no end, only when the row was last updated, which for an open run is no end.
    end_ns = None if status in _OPEN else times.of_iso(end)
    return Run(
        run_id=str(run_id),
        pipeline_name=str(name),
        pipeline_version=str(version),
        status=status,
        start_time_ns=start_ns,
        end_time_ns=end_ns,
        last_time_ns=max(end_ns or 0, start_ns + (times.of_seconds(extent) or 0)),
        total_cost_usd=cost,
        total_tokens=None if tokens is None else int(tokens),
        span_count=spans,
        error_count=errors,
        final_context=None if context in (None, "null") else context,
        origin=origin,
    )


def step_of(row: Sequence[Any]) -> Step:
    """A row of `Layout.steps`."""
    step_run_id, run_id, name, index, status, start, end, duration_ms, cost, tokens, *blobs = row
    end_ns = times.of_iso(end)
    start_ns = times.of_iso(start) or end_ns or 0
    if start == end and duration_ms is not None:
        # 0.6 stores a step's end alone.
        start_ns -= int(duration_ms) * 1_000_000
    return Step(
        step_run_id=step_run_id,
        run_id=run_id,
        step_name=name,
        step_index=index,
        status=status,
        start_time_ns=start_ns,
        end_time_ns=end_ns,
        duration_ms=duration_ms,
        cost_usd=cost,
        tokens=tokens,
        input=blobs[0],
        output=blobs[1],
        error=blobs[2],
    )


def with_spans(steps: Sequence[Step], spans: Sequence[Span]) -> list[Step]:
    """Steps with what only their spans know: flujo writes a step's row when the step is over, with
    the time of writing as its start, and without its input. Where they do not pair, as they are."""
    of_steps = [span for span in spans if any(key in span.attributes for key in _STEP_KEYS)]
    if [span.name for span in of_steps] != [step.step_name for step in steps]:
        return list(steps)
    return [_with_span(step, span) for step, span in zip(steps, of_steps, strict=True)]


def _with_span(step: Step, span: Span) -> Step:
    duration_ns = span.duration_ns
    return step._replace(
        start_time_ns=span.start_time_ns,
        end_time_ns=span.end_time_ns,
        duration_ms=None if duration_ns is None else round(duration_ns / 1e6),
        tokens=span.tokens if step.tokens is None else step.tokens,
        input=_known(step.input) or _as_json(span.attributes.get("step_input")),
        error=_known(step.error) or _as_json(span.status_message),
        span_id=span.span_id,
    )


def _known(text: str | None) -> str | None:
    return None if text == "null" else text


def _as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def spans_of(rows: Sequence[Sequence[Any]], run: Run) -> Iterator[Span]:
    """Rows of SPANS, all of one run: their times may count from nowhere but each other."""
    shift = times.anchor_ns(rows[0][3], run.start_time_ns) if rows else 0
    for row in rows:
        yield _span_of(row, run, shift)


def _span_of(row: Sequence[Any], run: Run, shift: int) -> Span:
    span_id, parent_id, name, start, end, status, text = row
    attributes = _attributes(text)
    start_ns = (times.of_seconds(start) or 0) + shift
    end_ns = times.of_seconds(end)
    end_ns = None if end_ns is None else end_ns + shift
    if status == "running":
        # 0.4 saves the root, and a step that an agent's exception left, while they are still open.
        status, end_ns = run.status.value, run.end_time_ns
    elif end_ns is not None and end_ns < start_ns:
        # 0.6 ends, by the machine's clock, a root that a hook gave its start in Unix time.
        end_ns = run.end_time_ns
    return Span(
        span_id=str(span_id),
        run_id=run.run_id,
        trace_id=run.run_id,
        otel_span_id=str(span_id),
        otel_parent_id=parent_id,
        name=name,
        kind=_INTERNAL,
        start_time_ns=start_ns,
        end_time_ns=end_ns,
        status=status_of(status).value,
        status_message=_text(attributes.get("feedback")),
        attributes=attributes,
        events=(),
        links=(),
        role=_role(parent_id, attributes),
        cost_usd=_first(attributes, _COST_KEYS, float),
        tokens=_first(attributes, _TOKEN_KEYS, int),
    )


def _attributes(text: str | None) -> Mapping[str, Any]:
    try:
        attributes = json.loads(text or "{}")
    except ValueError:
        return {"unreadable": text}
    return attributes if isinstance(attributes, dict) else {"value": attributes}


def _role(parent_id: str | None, attributes: Mapping[str, Any]) -> int:
    if parent_id is None:
        return Role.RUN_ROOT
    return Role.STEP if any(key in attributes for key in _STEP_KEYS) else Role.PLAIN


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _first(attributes: Mapping[str, Any], keys: Sequence[str], kind: type) -> Any:
    value = next((attributes[key] for key in keys if key in attributes), None)
    return kind(value) if isinstance(value, int | float) else None
