"""The interface of FSD-08 and Trace Storage v2.0 over our store."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flujo_otel.errors import FlujoOtelError, MalformedTrace
from flujo_otel.settings import load
from flujo_otel.spanstore.factory import open_run_log
from flujo_otel.spanstore.location import resolve
from flujo_otel.spanstore.runlog import SpanGroup
from flujo_otel.storage import rows, trace_tree
from flujo_otel.storage.plain import from_json

T = TypeVar("T")

_RUN_KEYS = (
    "run_id",
    "pipeline_name",
    "pipeline_version",
    "status",
    "start_time",
    "end_time",
    "total_cost",
)
_STEP_KEYS = (
    "step_name",
    "step_index",
    "status",
    "start_time",
    "end_time",
    "duration_ms",
    "cost",
    "tokens",
)


class SQLiteBackend:
    """Runs, steps and trace trees in our own file, beside the spans that come by OpenTelemetry.

    `db`: a path or a sqlite URI; None: as the settings say (docs/database.md). Every method does
    its work in a thread, so that the event loop does not wait for SQLite; each is one transaction.
    They raise MalformedTrace for data of another shape than the agreed one (nothing is written
    then), StoreUnavailable (retryable) or ForeignDatabase.
    """

    def __init__(self, db: str | Path | None = None) -> None:
        settings = load(db=db)
        self.path = resolve(settings).path
        self._log = open_run_log(self.path, settings)

    async def save_run_start(self, run_data: Mapping[str, Any]) -> None:
        """`run_id`; pipeline_name ("unknown"), pipeline_version ("latest"), status ("running") and
        start_time (now; a datetime, UTC where naive) may be left out."""
        await _in_thread(lambda: self._log.save_run_start(rows.run_start(run_data)))

    async def save_step_result(self, step_data: Mapping[str, Any]) -> None:
        """`step_run_id`, `run_id`, `step_name`, `step_index`, `start_time`; status ("completed"),
        end_time, duration_ms, cost (USD), tokens, input, output and error may be left out. A step
        of the same step_run_id is replaced."""
        await _in_thread(lambda: self._log.save_step_result(rows.step_result(step_data)))

    async def save_run_end(self, run_id: str, end_data: Mapping[str, Any]) -> None:
        """status ("completed"), end_time (now), total_cost (USD), final_context."""
        await _in_thread(lambda: self._log.save_run_end(run_id, rows.run_end(end_data)))

    async def get_run_details(self, run_id: str) -> dict[str, Any] | None:
        """The run's row with `final_context` decoded; None where there is none."""
        row = await _in_thread(lambda: self._log.run(run_id))
        if row is None:
            return None
        return {**dict(zip(_RUN_KEYS, row, strict=False)), "final_context": from_json(row[-1])}

    async def list_run_steps(self, run_id: str) -> list[dict[str, Any]]:
        """The run's steps in order, with `input`, `output` and `error` decoded."""
        found = await _in_thread(lambda: self._log.steps(run_id))
        return [
            {
                **dict(zip(_STEP_KEYS, row, strict=False)),
                "input": from_json(row[-3]),
                "output": from_json(row[-2]),
                "error": from_json(row[-1]),
            }
            for row in found
        ]

    async def save_trace(self, run_id: str, trace: Mapping[str, Any]) -> None:
        """Store a tree of {span_id, name, start_time, end_time, status, attributes, children} in
        place of the one saved before for this run; its OpenTelemetry spans stay as they are.

        Times are seconds of Unix time, kept to the nanosecond; ids may be of any form.
        """
        if not run_id:
            raise MalformedTrace("run_id is empty.")
        await _in_thread(lambda: self._log.replace_tree(run_id, trace_tree.to_batch(run_id, trace)))

    async def get_trace(self, run_id: str) -> dict[str, Any] | None:
        """The run's spans as a tree, children in order of start; None where there are none."""
        return await _in_thread(lambda: trace_tree.to_tree(self._log.spans(run_id, None, None)))

    async def get_spans(
        self, run_id: str, status: str | None = None, name: str | None = None
    ) -> list[dict[str, Any]]:
        """The run's spans in order of start, of one status or name where given."""
        found = await _in_thread(lambda: self._log.spans(run_id, status or None, name or None))
        return [trace_tree.to_span(row) for row in found]

    async def get_span_statistics(
        self,
        pipeline_name: str | None = None,
        time_range: tuple[float, float] | None = None,
    ) -> dict[str, Any]:
        """Counts by name and by status, and durations by name in seconds, of the spans that have
        ended and whose start lies in `time_range` (Unix seconds, both ends included)."""

        def groups() -> list[SpanGroup]:
            since, until = (
                map(trace_tree.to_nanoseconds, time_range) if time_range else (None, None)
            )
            return self._log.span_groups(pipeline_name or None, since, until)

        return _statistics(await _in_thread(groups))

    async def delete_run(self, run_id: str) -> None:
        """Delete the run with its steps and all of its spans; nothing where there is none."""
        await _in_thread(lambda: self._log.delete_run(run_id))


async def _in_thread(work: Callable[[], T]) -> T:
    """`work` off the event loop. What it finds wrong with the data is MalformedTrace, whatever odd
    value of the caller's it met (a `str()` that raises, a number beyond all bounds)."""
    try:
        return await asyncio.to_thread(work)
    except (FlujoOtelError, OSError):
        raise
    except Exception as error:
        raise MalformedTrace(f"This cannot be stored: {type(error).__name__}: {error}") from error


def _statistics(groups: list[SpanGroup]) -> dict[str, Any]:
    by_name: dict[str, int] = {}
    by_status: dict[str, int] = {}
    durations: dict[str, dict[str, Any]] = {}
    for group in groups:
        by_name[group.name] = by_name.get(group.name, 0) + group.span_count
        by_status[group.status] = by_status.get(group.status, 0) + group.span_count
        duration = durations.setdefault(group.name, {"total": 0.0, "count": 0, "average": 0.0})
        duration["total"] += trace_tree.to_seconds(group.total_ns)
        duration["count"] += group.span_count
        duration["average"] = duration["total"] / duration["count"]
    return {
        "total_spans": sum(by_name.values()),
        "by_name": by_name,
        "by_status": by_status,
        "avg_duration_by_name": durations,
    }
