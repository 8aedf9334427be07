"""Rows of our tables to the model."""

import json
from collections.abc import Callable
from typing import Any, Final

from flujo_otel.model import Event, Link, Process, Run, RunStatus, Span

SELECT_RUNS: Final = """
    SELECT runs.run_id, pipeline_name, pipeline_version, status, start_time_ns, end_time_ns,
        last_time_ns, total_cost, total_tokens, span_count, error_count, trace_id,
        unpriced_count, final_context_blob, running_count, seen_at_ns, host, pid, process_start,
        command
    FROM runs LEFT JOIN writers USING (writer_id)
"""
SPAN_COLUMNS: Final = """
    span_id, run_id, trace_id, otel_span_id, otel_parent_id, name, kind, start_time_ns, end_time_ns,
    status, status_message, attributes, events, links, role, cost_usd, tokens
"""
SELECT_SPANS: Final = f"SELECT rowid, {SPAN_COLUMNS} FROM spans"
SELECT_STEPS: Final = """
    SELECT step_run_id, run_id, step_name, step_index, status, start_time_ns, end_time_ns,
        duration_ms, cost, tokens, input_blob, output_blob, error_blob, span_id,
        unpriced_count
    FROM steps
"""


def run(row: tuple[Any, ...], is_alive: Callable[[Process], bool]) -> Run:
    """A row of SELECT_RUNS. An open run whose writer is gone has died when that was last seen; one
    that is over is left open then, if there are open spans in it."""
    *facts, context, running_count, seen_at_ns, host, pid, process_start, command = row
    writer = Process(host, pid, process_start, command) if host is not None else None
    status = _status(facts[3])
    is_open = status is RunStatus.RUNNING or running_count > 0
    is_gone = is_open and writer is not None and not is_alive(writer)
    if is_gone and status is RunStatus.RUNNING:
        status = RunStatus.DIED
        facts[6] = max(facts[6], seen_at_ns)
    return Run(
        run_id=facts[0],
        pipeline_name=facts[1],
        pipeline_version=facts[2],
        status=status,
        start_time_ns=facts[4],
        end_time_ns=facts[5],
        last_time_ns=facts[6],
        total_cost_usd=facts[7],
        total_tokens=facts[8],
        span_count=facts[9],
        error_count=facts[10],
        trace_id=facts[11],
        unpriced_count=facts[12],
        final_context=context,
        writer=writer,
        is_left_open=is_gone and status is not RunStatus.DIED,
    )


def _status(text: str) -> RunStatus:
    """Whoever hands a run in may call its status anything; what is no success is none."""
    try:
        return RunStatus(text)
    except ValueError:
        return RunStatus.FAILED


def span(row: tuple[Any, ...]) -> Span:
    """A row of SELECT_SPANS: one column, whatever it is, then SPAN_COLUMNS."""
    _, *identity, attributes, events, links, role, cost_usd, tokens = row
    decoded: tuple[Any, ...] = (
        json.loads(attributes) if attributes else {},
        tuple(Event(**event) for event in json.loads(events)) if events else (),
        tuple(Link(**link) for link in json.loads(links)) if links else (),
    )
    return Span(*(*identity, *decoded, role, cost_usd, tokens))
