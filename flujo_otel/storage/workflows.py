"""The part of SQLiteBackend that flujo goes on with: workflow states, and what is kept by name."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from flujo_otel.redaction import redactor
from flujo_otel.spanstore.flujo.times import of_datetime
from flujo_otel.spanstore.runlog import RunLog, WouldWait
from flujo_otel.spanstore.statelog import NamedValue, ShadowEvaluation, StateTimes, WorkflowState
from flujo_otel.storage import shapes, state_codec, state_rows
from flujo_otel.storage.event_loop import at_once, in_thread
from flujo_otel.storage.flujo_version import speaks_06
from flujo_otel.storage.late_steps import LateSteps
from flujo_otel.storage.missing_steps import record_missing_steps
from flujo_otel.storage.plain import from_json, to_json, to_plain
from flujo_otel.storage.recent_runs import RecentRuns
from flujo_otel.storage.unsaved import UnsavedStates

T = TypeVar("T")
Found = tuple[WorkflowState, StateTimes]

_STALE: Final = "Task timeout: process likely crashed"


class Workflows:
    """A part of SQLiteBackend, which sets the attributes that are declared here. States in flujo's
    own file are read, never changed."""

    _log: RunLog
    _late: LateSteps
    _going: RecentRuns
    """Runs that go on at present: flujo saves their states here."""
    _unsaved: UnsavedStates

    async def save_state(self, run_id: str, state: Mapping[str, Any]) -> None:
        """Keep how far a run has come. Committed when this returns. Nothing in it is redacted.

        A running one that no run could go on from, for it holds a value that cannot be read back,
        is not kept: the run would go on with words in that value's place. It goes on from the state
        before, and does the step again. Said once for each backend, and in the ledger.
        """

        def save(wait: bool) -> None:
            history = state_rows.history_of(state)
            row, times = state_rows.to_row(run_id, state, history)
            if row.status == "running" and not state_rows.is_restorable(row):
                if not wait:
                    raise WouldWait
                self._unsaved.add(row)
                return
            entries, first = history.entries, history.first
            history.is_saved = self._log.states.save_state(
                row, times, entries, first, wait=wait, is_wanted=lambda: is_wanted
            )
            if history.is_saved:
                self._going.add(run_id)

        is_wanted = True
        try:
            await at_once(save)
        except asyncio.CancelledError:
            # A thread that still waits for the database would write over the run's next state.
            is_wanted = False
            raise

    async def load_state(self, run_id: str) -> dict[str, Any] | None:
        """The state that was saved last, here or by flujo's own backend; None: there is none."""

        def read() -> WorkflowState | None:
            row = self._log.states.state(run_id)
            if row is not None and row.step_history:
                # Now, for who goes on with the run saves its state without the history first.
                self._late.write()
                record_missing_steps(self._log, run_id)
            return row

        row = await in_thread(read)
        return None if row is None else shapes.loaded(state_rows.to_state(row))

    async def delete_state(self, run_id: str) -> None:
        """From then on load_state gives None; the run's record stays."""
        await at_once(lambda wait: self._log.states.delete_state(run_id, wait=wait))

    async def list_states(self, status: str | None = None) -> list[dict[str, Any]]:
        """`run_id`, `status`, `created_at`, `updated_at` of each, newest first."""
        keys = ("run_id", "status", "created_at", "updated_at")
        found = await self._states(lambda state: status in (None, "", state.status))
        return [{key: getattr(state, key) for key in keys} for state, _ in found]

    async def list_workflows(
        self,
        status: str | None = None,
        pipeline_id: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """The states without context, output and history, newest first."""
        found = await self._states(
            lambda state: (
                (not status or state.status == status)
                and (not pipeline_id or state.pipeline_id == pipeline_id)
            )
        )
        return [shapes.workflow(state) for state, _ in _page(found, limit, offset)]

    async def get_workflow_stats(self) -> dict[str, Any]:
        """How many there are, by status, how many of the last day, and their mean duration."""
        return _stats(await self._states(lambda _: True))

    def get_workflow_stats_sync(self) -> dict[str, Any]:
        """The same without an event loop: flujo 0.6's Prometheus collector asks so."""
        return _stats(self._log.states.states())

    async def get_failed_workflows(self, hours_back: float = 24) -> list[dict[str, Any]]:
        """Those that failed in the last hours, the latest first."""
        since_ns = _ago_ns(timedelta(hours=hours_back))
        found = await self._states(lambda state: state.status == "failed")
        recent = _last_saved_first(found, since_ns)
        return [shapes.workflow(state, failed=True) for state, _ in recent]

    async def cleanup_old_workflows(self, days_old: float = 30) -> int:
        """Delete our states made more than that ago, some in each transaction; says how many. Runs
        and spans stay."""
        before_ns = _ago_ns(timedelta(days=days_old))
        return await in_thread(lambda: self._log.states.delete_states(before_ns))

    async def list_background_tasks(
        self,
        parent_run_id: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """States of background tasks, the last saved first."""
        found = await self._states(
            lambda state: (
                state.is_background_task
                and parent_run_id in (None, state.parent_run_id)
                and status in (None, state.status)
            )
        )
        ordered = _last_saved_first(found)
        return [shapes.background_task(state) for state, _ in _page(ordered, limit, offset)]

    async def get_failed_background_tasks(
        self, parent_run_id: str | None = None, hours_back: float = 24
    ) -> list[dict[str, Any]]:
        """Those that failed in the last hours."""
        since_ns = _ago_ns(timedelta(hours=hours_back))
        found = await self._states(
            lambda state: (
                state.is_background_task
                and state.status == "failed"
                and parent_run_id in (None, state.parent_run_id)
            )
        )
        recent = _last_saved_first(found, since_ns)
        return [shapes.background_task(state) for state, _ in recent]

    async def cleanup_stale_background_tasks(self, stale_hours: float = 24) -> int:
        """Mark background tasks as failed that were last heard of before that; says how many."""
        before_ns = _ago_ns(timedelta(hours=stale_hours))
        now = datetime.now(UTC)
        values = before_ns, _STALE, now.isoformat(), of_datetime(now)
        return await in_thread(lambda: self._log.states.fail_stale_tasks(*values))

    async def persist_evaluation(
        self,
        run_id: str,
        score: float,
        feedback: str | None = None,
        step_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep one of flujo's shadow evaluations."""
        evaluation = ShadowEvaluation(
            run_id,
            step_name,
            float(score),
            None if feedback is None else redactor().text(feedback),
            None if metadata is None else to_json(redactor().value(to_plain(metadata))),
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        )
        await in_thread(lambda: self._log.states.add_evaluation(evaluation))

    async def list_evaluations(
        self, limit: int = 20, run_id: str | None = None
    ) -> list[dict[str, Any]]:
        """The newest first."""
        found = await in_thread(lambda: self._log.states.evaluations(run_id or None, limit))
        return [{**each._asdict(), "metadata": from_json(each.metadata)} for each in found]

    async def set_system_state(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep `value` by name, in place of what was kept before. Not redacted."""
        kept = NamedValue(key, state_codec.encode(value), datetime.now(UTC).isoformat())
        await in_thread(lambda: self._log.states.set_value(kept))

    async def get_system_state(self, key: str) -> dict[str, Any] | None:
        """`key`, `value` and `updated_at`; None where nothing is kept."""
        kept = await in_thread(lambda: self._log.states.value(key))
        return None if kept is None else shapes.named_value(*kept)

    async def _states(self, matches: Callable[[WorkflowState], bool]) -> list[Found]:
        def read() -> list[Found]:
            return [each for each in self._log.states.states() if matches(each[0])]

        return await in_thread(read)


def _last_saved_first(found: list[Found], since_ns: int | None = None) -> list[Found]:
    """Those that were saved since then; None: all."""
    recent = [each for each in found if since_ns is None or each[1].updated_at_ns >= since_ns]
    return sorted(recent, key=lambda each: each[1].updated_at_ns, reverse=True)


def _page(found: list[T], limit: int | None, offset: int) -> list[T]:
    return found[offset:] if limit is None else found[offset : offset + limit]


def _stats(found: list[Found]) -> dict[str, Any]:
    since_ns = _ago_ns(timedelta(hours=24))
    durations = [s.execution_time_ms for s, _ in found if s.execution_time_ms is not None]
    stats = {
        "total_workflows": len(found),
        "status_counts": _counts(state for state, _ in found),
        "recent_workflows_24h": sum(times.created_at_ns >= since_ns for _, times in found),
        "average_execution_time_ms": sum(durations) / len(durations) if durations else 0,
    }
    if speaks_06():
        tasks = (state for state, _ in found if state.is_background_task)
        stats["background_status_counts"] = _counts(tasks)
    return stats


def _counts(states: Any) -> dict[str, int]:
    return dict(sorted(Counter(state.status for state in states).items()))


def _ago_ns(ago: timedelta) -> int:
    return of_datetime(datetime.now(UTC) - ago)
