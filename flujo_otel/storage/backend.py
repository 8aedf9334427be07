"""The interface of FSD-08 and Trace Storage v2.0 over our store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flujo_otel.errors import MalformedTrace
from flujo_otel.settings import load
from flujo_otel.spanstore.factory import open_run_log
from flujo_otel.spanstore.location import resolve
from flujo_otel.spanstore.runlog import SpanGroup
from flujo_otel.storage import flujo_tree, rows, shapes, trace_tree
from flujo_otel.storage.event_loop import at_once, checked, in_thread
from flujo_otel.storage.fixed_step import fixed_step
from flujo_otel.storage.late_steps import LateSteps
from flujo_otel.storage.missing_steps import record_missing_steps
from flujo_otel.storage.recent_runs import RecentRuns
from flujo_otel.storage.unsaved import UnsavedStates
from flujo_otel.storage.workflows import Workflows


class SQLiteBackend(Workflows):
    """Runs, steps and trace trees in our own file, beside the spans that come by OpenTelemetry.

    `db`: a path or a sqlite URI; None: as the settings say (docs/database.md). The event loop never
    waits for SQLite: a small write that need not wait is made on it, all else in a thread. Each is
    one transaction, but for `delete_run` and `cleanup_old_workflows`, which may take several.
    They raise MalformedTrace for data of another shape than the agreed one (nothing is written
    then), StoreUnavailable (retryable) or ForeignDatabase.
    """

    def __init__(self, db: str | Path | None = None) -> None:
        settings = load(db=db)
        self.path = resolve(settings).path
        self._log = open_run_log(self.path, settings)
        self._late = LateSteps(self._log)
        self._going = RecentRuns()
        self._unsaved = UnsavedStates(self.path)

    async def save_run_start(self, run_data: Mapping[str, Any]) -> None:
        """`run_id`; pipeline_name ("unknown"), pipeline_version ("latest"), status ("running") and
        start_time (now; a datetime, UTC where naive) may be left out."""
        await at_once(lambda wait: self._log.save_run_start(rows.run_start(run_data), wait=wait))

    async def save_step_result(self, step_data: Mapping[str, Any]) -> None:
        """`step_run_id`, `run_id`, `step_name`, `step_index`, `start_time`; status ("completed"),
        end_time, duration_ms, cost (USD), tokens, input, output and error may be left out. A step
        of the same step_run_id is replaced."""
        fixed = fixed_step(step_data)
        if fixed is not None and fixed["run_id"] in self._going:
            self._late.add(fixed)
            return
        step = checked(lambda: rows.step_result(step_data))
        if step.run_id in self._going:
            self._late.add(step)
        else:
            await at_once(lambda wait: self._log.save_step_result(step, wait=wait))

    async def save_run_end(self, run_id: str, end_data: Mapping[str, Any]) -> None:
        """status ("completed"), end_time (now), total_cost (USD), final_context."""
        self._going.discard(run_id)
        await self._late.written()
        await at_once(
            lambda wait: self._log.save_run_end(run_id, rows.run_end(end_data), wait=wait)
        )

    async def get_run_details(self, run_id: str) -> dict[str, Any] | None:
        """The run's row with `final_context` decoded; None where there is none."""
        run = await in_thread(lambda: self._log.run(run_id))
        return None if run is None else shapes.run_details(run)

    async def list_runs(
        self,
        status: str | None = None,
        pipeline_name: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        metadata_filter: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Runs, newest first; `metadata_filter`: what their state's metadata must contain."""
        where = status or None, pipeline_name or None
        if metadata_filter is None:
            found = await in_thread(lambda: self._log.runs(*where, limit, offset))
            return [shapes.listed_run(run) for run in found]
        every = await in_thread(lambda: self._log.runs(*where))
        matching = [
            run
            for run in map(shapes.listed_run, every)
            if shapes.contains(run.get("metadata"), metadata_filter)
        ]
        return matching[offset : None if limit is None else offset + limit]

    async def list_run_steps(self, run_id: str) -> list[dict[str, Any]]:
        """The run's steps in order, with `input`, `output` and `error` decoded."""

        def read() -> list[dict[str, Any]]:
            self._late.write()
            record_missing_steps(self._log, run_id)
            return [shapes.step(row) for row in self._log.steps(run_id)]

        return await in_thread(read)

    async def save_trace(self, run_id: str, trace: Mapping[str, Any]) -> None:
        """Store a tree of {span_id, name, start_time, end_time, status, attributes, children} in
        place of the one saved before for this run; its OpenTelemetry spans stay as they are.

        It stands in for spans: where the run's own root span is stored it is left out, and it goes
        when that comes. Times are seconds of Unix time, kept to the nanosecond; ids may have any
        form. What is still open in it when the run has ended takes the run's status and end.
        """
        if not run_id:
            raise MalformedTrace("run_id is empty.")

        def save() -> None:
            tree = flujo_tree.put_right(run_id, trace) if isinstance(trace, Mapping) else trace
            self._log.replace_tree(run_id, trace_tree.to_batch(run_id, tree))

        await in_thread(save)

    async def save_spans(self, run_id: str, spans: Sequence[Mapping[str, Any]]) -> None:
        """The same for single spans, which say their `parent_span_id`: they are added."""
        if run_id and spans:
            await in_thread(
                lambda: self._log.replace_tree(
                    run_id, trace_tree.spans_to_batch(run_id, spans), keep=True
                )
            )

    async def get_trace(self, run_id: str) -> dict[str, Any] | None:
        """The run's spans as a tree, children in order of start; None where there are none."""
        return await in_thread(lambda: trace_tree.to_tree(self._log.spans(run_id, None, None)))

    async def get_spans(
        self, run_id: str, status: str | None = None, name: str | None = None
    ) -> list[dict[str, Any]]:
        """The run's spans in order of start, of one status or name where given."""
        found = await in_thread(lambda: self._log.spans(run_id, status or None, name or None))
        return [trace_tree.to_span(row) for row in found]

    async def get_span_statistics(
        self,
        pipeline_name: str | None = None,
        time_range: tuple[float, float] | None = None,
    ) -> dict[str, Any]:
        """Counts by name and by status, and durations by name in seconds, of the spans that have
        ended and whose start lies in `time_range` (Unix seconds, both ends included; an end may be
        infinite). Raises MalformedTrace for a range that is none."""

        def groups() -> list[SpanGroup]:
            since, until = trace_tree.to_window(time_range) if time_range else (None, None)
            return self._log.span_groups(pipeline_name or None, since, until)

        return _statistics(await in_thread(groups))

    async def delete_run(self, run_id: str) -> None:
        """Delete the run with its steps, its spans, its workflow state and its evaluations; nothing
        where there is none."""
        self._going.discard(run_id)
        await self._late.written()
        await in_thread(lambda: self._log.delete_run(run_id))

    async def __aenter__(self) -> "SQLiteBackend":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        await self._late.written()
        await in_thread(self._log.close)

    async def shutdown(self) -> None:
        """The same: flujo 0.6 calls it for a backend that it made itself."""
        await self.close()

    def close_sync(self) -> None:
        """The same without an event loop."""
        self._late.write()
        self._log.close()


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
