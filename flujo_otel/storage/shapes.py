"""The dicts that SQLiteBackend answers with, by the flujo that reads them.

FSD-08's keys in FSD-08's order, which are flujo 0.4's, are always there. Where flujo 0.6 is
installed its keys come first, in its order: it asks the same methods and reads other names.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from flujo_otel.spanstore.runlog import RunFacts
from flujo_otel.spanstore.statelog import WorkflowState
from flujo_otel.storage.flujo_version import speaks_06
from flujo_otel.storage.plain import from_json
from flujo_otel.storage.state_codec import decode

_WORKFLOW_KEYS: Final = (
    "run_id",
    "pipeline_id",
    "pipeline_name",
    "pipeline_version",
    "current_step_index",
    "status",
    "created_at",
    "updated_at",
    "total_steps",
    "error_message",
    "execution_time_ms",
    "memory_usage_mb",
)
_TASK_KEYS: Final = ("is_background_task", "parent_run_id", "task_id", "background_error")


def run_details(run: RunFacts) -> dict[str, Any]:
    """What get_run_details answers."""
    facts = _run(run, run.execution_time_ms, run.memory_usage_mb)
    more = {"total_steps": run.total_steps or 0, "error_message": run.error_message}
    if speaks_06():
        facts |= more
    return {**facts, **_times(run), "final_context": from_json(run.final_context)}


def listed_run(run: RunFacts) -> dict[str, Any]:
    """What list_runs answers."""
    facts = _run(run)
    if speaks_06():
        facts["metadata"] = decode(run.metadata) or {}
    return {**facts, **_times(run)}


def step(row: Sequence[Any]) -> dict[str, Any]:
    """What list_run_steps answers; `row` as RunLog.steps gives it."""
    name, index, status, start, end, duration_ms, cost, tokens, given, output, error, raw = row
    start = start or None  # unknown, of a step that only its run's state knew
    decoded = {"input": from_json(given), "output": from_json(output), "error": from_json(error)}
    facts: dict[str, Any] = {"step_name": name, "step_index": index, "status": status}
    if speaks_06():
        facts |= {
            "output": decoded["output"],
            "raw_response": from_json(raw),
            "cost_usd": cost,
            "token_counts": tokens,
            "execution_time_ms": duration_ms,
            "created_at": start,
        }
    facts |= {"start_time": start, "end_time": end, "duration_ms": duration_ms}
    return {**facts, "cost": cost, "tokens": tokens, **decoded}


def workflow(state: WorkflowState, *, failed: bool = False) -> dict[str, Any]:
    """What list_workflows answers and, `failed`, get_failed_workflows."""
    facts = {key: getattr(state, key) for key in _WORKFLOW_KEYS}
    facts["total_steps"] = state.total_steps or 0
    if speaks_06() and not failed:
        facts["metadata"] = decode(state.metadata) or {}
        facts |= {key: getattr(state, key) for key in _TASK_KEYS}
    return facts


def loaded(state: Mapping[str, Any]) -> dict[str, Any]:
    """What load_state answers."""
    if speaks_06():
        return dict(state)
    return {key: value for key, value in state.items() if key not in ("metadata", *_TASK_KEYS)}


def background_task(state: WorkflowState) -> dict[str, Any]:
    """What list_background_tasks answers."""
    keys = ("run_id", "status", "created_at", "updated_at")
    facts = {key: getattr(state, key) for key in keys}
    facts["metadata"] = decode(state.metadata) or {}
    return facts | {key: getattr(state, key) for key in _TASK_KEYS[1:]}


def named_value(key: str, value: str, updated_at: str) -> dict[str, Any]:
    """What get_system_state answers."""
    moment = datetime.fromisoformat(updated_at)
    return {"key": key, "value": decode(value), "updated_at": moment}


def contains(found: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether the JSON object `found` has all of `wanted`, objects within objects too."""
    return isinstance(found, Mapping) and all(
        key in found
        and (contains(found[key], value) if isinstance(value, Mapping) else found[key] == value)
        for key, value in wanted.items()
    )


def _run(run: RunFacts, *measured: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "run_id": run.run_id,
        "pipeline_name": run.pipeline_name,
        "pipeline_version": run.pipeline_version,
        "status": run.status,
    }
    if speaks_06():
        facts |= {"created_at": run.start_time, "updated_at": run.end_time or run.start_time}
        facts |= dict(zip(("execution_time_ms", "memory_usage_mb"), measured, strict=False))
    return facts


def _times(run: RunFacts) -> dict[str, Any]:
    return {"start_time": run.start_time, "end_time": run.end_time, "total_cost": run.total_cost}
