"""Records of steps that only a run's state knows: who was to write them was killed before."""

import math
from collections.abc import Mapping
from typing import Any

from flujo_otel.guard import guarded
from flujo_otel.redaction import redactor
from flujo_otel.spanstore.flujo.times import to_iso
from flujo_otel.spanstore.runlog import RunLog, StepResult
from flujo_otel.spanstore.statelog import HistoryEntry
from flujo_otel.storage import rows
from flujo_otel.storage.state_codec import decode
from flujo_otel.wire.values import clean_text


def record_missing_steps(log: RunLog, run_id: str) -> None:
    """Add the records that the run lacks of steps that are in the history of its state.

    Where that history names other steps than the records it is left alone: it belongs to a pipeline
    inside this run, which has the same run id.
    """
    with guarded("recording steps that only a state knows"):
        history = [(each, decode(each.entry)) for each in log.states.unrecorded(run_id)]
        if all(_is_recorded_as(each.recorded_name, entry) for each, entry in history):
            missing = (each for each in history if each[0].is_missing)
            log.add_missing_steps([_step(run_id, each, entry) for each, entry in missing])


def _is_recorded_as(recorded_name: str | None, entry: Any) -> bool:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or not name:
        return False
    return recorded_name in (None, redactor().text(clean_text(name)))


def _step(run_id: str, each: HistoryEntry, entry: Mapping[str, Any]) -> StepResult:
    """As flujo words its record. When it ran is unknown, unless the state was saved right after."""
    is_success = bool(entry.get("success", True))
    seconds = _number(entry.get("latency_s"))
    metadata = entry.get("metadata_")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    ended_ns = each.ended_at_ns
    began_ns = 0 if ended_ns is None else ended_ns - round((seconds or 0) * 1e9)
    step = rows.step_result(
        {
            "step_run_id": f"{run_id}:{each.step_index}",
            "run_id": run_id,
            "step_name": entry["name"],
            "step_index": each.step_index,
            "status": "completed" if is_success else "failed",
            "start_time": to_iso(began_ns),
            "end_time": None if ended_ns is None else to_iso(ended_ns),
            "duration_ms": None if seconds is None else int(seconds * 1000),
            "cost": _number(entry.get("cost_usd")),
            "tokens": _number(entry.get("token_counts")),
            "output": entry.get("output"),
            "error": None if is_success else entry.get("feedback"),
            "raw_response": metadata.get("raw_llm_response"),
        }
    )
    return step if ended_ns is not None else step._replace(start_time="")


def _number(value: Any) -> float | None:
    """As a column holds it. What is not finite is a text in JSON."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) and abs(value) < 1 << 31 else None
