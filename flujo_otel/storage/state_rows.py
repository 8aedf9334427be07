"""flujo's workflow states to rows and back, and the history that stands in one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from flujo_otel.errors import MalformedTrace
from flujo_otel.spanstore.flujo.times import of_local
from flujo_otel.spanstore.statelog import StateTimes, WorkflowState
from flujo_otel.storage import tagged
from flujo_otel.storage.flujo_version import speaks_06
from flujo_otel.storage.state_codec import decode, encode
from flujo_otel.storage.tagged import has_lost

_REQUIRED: Final = (
    "pipeline_id",
    "pipeline_name",
    "pipeline_version",
    "status",
    "pipeline_context",
)
_ALL_REQUIRED: Final = frozenset(_REQUIRED)


class History(str):
    """A run's whole step history, each entry in JSON already. Stands for all of them.

    A str, which flujo passes on as it is. `entries`: may be a list that gets more by what ends
    after this state; `first`: those before it are in the store as they are; `is_saved`: all of them
    are, since it was handed to save_state. `context` and `output`: the state's, in JSON, as they
    were before flujo put words in place of values; None: as flujo has it.
    """

    entries: Sequence[str]
    first: int
    is_saved: bool
    context: str | None = None
    output: str | None = None

    @staticmethod
    def of(entries: Sequence[str], first: int) -> "History":
        """None of them saved yet but those before `first`."""
        made = History("")
        made.entries, made.first, made.is_saved = entries, first, False
        return made


def history_of(state: Mapping[str, Any]) -> History:
    """The state's history, in JSON."""
    entries: Sequence[Any] = state.get("step_history") or []
    if len(entries) == 1 and isinstance(entries[0], History):
        return entries[0]
    return History.of([encode(entry) for entry in entries], 0)


def to_row(
    run_id: str, state: Mapping[str, Any], history: History
) -> tuple[WorkflowState, StateTimes]:
    """All but the entries of `history`. Raises MalformedTrace where something is missing that
    flujo needs."""
    if not run_id or not state.keys() >= _ALL_REQUIRED:
        missing = next((key for key in _REQUIRED if key not in state), "run_id")
        raise MalformedTrace(f"The state has no {missing}.")
    created_at: Any = state.get("created_at")
    updated_at: Any = state.get("updated_at")
    try:  # 0.6 gives text; a function for it would be two frames more a state
        if not isinstance(created_at, datetime):
            created_at = datetime.fromisoformat(created_at)
        if not isinstance(updated_at, datetime):
            updated_at = datetime.fromisoformat(updated_at)
    except (TypeError, ValueError):
        key = "updated_at" if isinstance(created_at, datetime) else "created_at"
        raise MalformedTrace(
            f"{key} is {state.get(key)!r}; it must be a datetime or its ISO text."
        ) from None
    output, metadata = state.get("last_step_output"), state.get("metadata")
    row = WorkflowState(
        run_id=run_id,
        pipeline_id=str(state["pipeline_id"]),
        pipeline_name=str(state["pipeline_name"]),
        pipeline_version=str(state["pipeline_version"]),
        current_step_index=int(state.get("current_step_index", 0)),
        pipeline_context=history.context or encode(state["pipeline_context"]),
        last_step_output=history.output or (None if output is None else encode(output)),
        step_history=None,
        status=str(state["status"]),
        created_at=created_at.isoformat(),
        updated_at=updated_at.isoformat(),
        metadata=None if metadata is None else encode(metadata),
        is_background_task=bool(state.get("is_background_task")),
        total_steps=state.get("total_steps"),
        error_message=state.get("error_message"),
        execution_time_ms=state.get("execution_time_ms"),
        memory_usage_mb=state.get("memory_usage_mb"),
        parent_run_id=state.get("parent_run_id"),
        task_id=state.get("task_id"),
        background_error=state.get("background_error"),
    )
    return row, StateTimes(of_local(created_at), of_local(updated_at))


def to_state(row: WorkflowState) -> dict[str, Any]:
    """The dict that flujo's backends give, with all keys of every version."""
    return {
        **row._asdict(),
        "pipeline_context": decode(row.pipeline_context) or {},
        "last_step_output": decode(row.last_step_output),
        "step_history": decode(row.step_history) or [],
        "created_at": datetime.fromisoformat(row.created_at),
        "updated_at": datetime.fromisoformat(row.updated_at),
        "total_steps": row.total_steps or 0,
        "metadata": decode(row.metadata) or {},
    }


def is_restorable(row: WorkflowState) -> bool:
    """Whether a run can go on from `row`: with the values that it had, not with words for them."""
    output = row.last_step_output if row.current_step_index > 0 else None
    return not has_lost(row.pipeline_context) and not (output and has_lost(output))


def lost_words(row: WorkflowState) -> str:
    """What stands in `row` for a value that cannot come back, as "<unserializable: socket>"."""
    return tagged.first_lost(row.last_step_output or "") or tagged.first_lost(row.pipeline_context)


def whole_context(fields: Mapping[str, Any], status: Any) -> str | None:
    """A context's fields, for `History.context`. 0.6 saves next to nothing of a running one, and
    what JSON has no word for comes back as a text from both, or not at all."""
    text = encode(fields)
    # 0.6 goes on without what it has not saved; 0.4 would with words in its place.
    return None if speaks_06() and status == "running" and has_lost(text) else text


def tagged_output(output: Any) -> str | None:
    """A step's output, for `History.output`, where it has values that JSON has no word for."""
    if output is None or type(output) in (str, bool):
        return None
    text = encode(output)
    return text if tagged.has_tags(text) else None
