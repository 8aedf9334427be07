"""flujo's workflow states to rows and back. Word for word, secrets too: a run goes on from them.

A state is saved after every step, so what is plain JSON already is written by json's own encoder,
in a tenth of the time that a walk in Python takes.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from flujo_otel.errors import MalformedTrace
from flujo_otel.spanstore.statelog import StateTimes, WorkflowState
from flujo_otel.storage.flujo_version import speaks_06
from flujo_otel.storage.plain import to_json, to_plain

_REQUIRED: Final = ("pipeline_id", "pipeline_name", "pipeline_version", "status")
_ODD_KEYS: Final = ('"null": ', '"true": ', '"false": ')
"""How json writes keys that are None, True or False: flujo writes them otherwise."""
_PLAIN: Final = (
    "total_steps",
    "error_message",
    "execution_time_ms",
    "memory_usage_mb",
    "parent_run_id",
    "task_id",
    "background_error",
)


class History(str):
    """A run's whole step history, each entry in JSON already. Stands for all of them.

    A str, which flujo passes on as it is. `first`: the entries before it are in the store as they
    are; `is_saved`: all of them are, since it was handed to save_state.
    """

    entries: Sequence[str]
    first: int
    is_saved: bool

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


def to_row(run_id: str, state: Mapping[str, Any]) -> tuple[WorkflowState, StateTimes]:
    """All but the history. Raises MalformedTrace where something is missing that flujo needs."""
    missing = [key for key in (*_REQUIRED, "pipeline_context") if key not in state]
    if missing or not run_id:
        raise MalformedTrace(f"The state has no {missing[0] if missing else 'run_id'}.")
    created_at, updated_at = _moment(state, "created_at"), _moment(state, "updated_at")
    output, metadata = state.get("last_step_output"), state.get("metadata")
    row = WorkflowState(
        run_id=run_id,
        pipeline_id=str(state["pipeline_id"]),
        pipeline_name=str(state["pipeline_name"]),
        pipeline_version=str(state["pipeline_version"]),
        current_step_index=int(state.get("current_step_index", 0)),
        pipeline_context=encode(state["pipeline_context"]),
        last_step_output=None if output is None else encode(output),
        step_history=None,
        status=str(state["status"]),
        created_at=created_at.isoformat(),
        updated_at=updated_at.isoformat(),
        metadata=None if metadata is None else encode(metadata),
        is_background_task=bool(state.get("is_background_task")),
        **{key: state.get(key) for key in _PLAIN},
    )
    return row, StateTimes(_nanoseconds(created_at), _nanoseconds(updated_at))


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


def encode(value: Any) -> str:
    """As JSON. Never raises for what `value` is."""
    try:
        text = _ENCODER.encode(value)
        text.encode()
    except (ValueError, TypeError, RecursionError, UnicodeEncodeError):
        return to_json(value)
    return to_json(value) if any(key in text for key in _ODD_KEYS) else text


def decode(text: str | None) -> Any:
    """What `encode`, or flujo, wrote; complex numbers are such again where flujo 0.6 has it so."""
    if not text:
        return None
    has_complex = '"imag"' in text and speaks_06()
    return json.loads(text, object_hook=_complex if has_complex else None)


def _plain(value: Any) -> Any:
    """By what the program registered with its flujo, which is loaded where it has one; else as
    `plain` words it."""
    flujo = sys.modules.get("flujo.utils.serialization")
    lookup = getattr(flujo, "lookup_custom_serializer", None)
    registered = lookup(value) if lookup is not None else None
    return registered(value) if registered is not None else to_plain(value)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)
"""Made once: json.dumps makes one for each value, which takes as long as a small value does."""


def _complex(found: dict[str, Any]) -> Any:
    if found.keys() == {"real", "imag"}:
        try:
            return complex(found["real"], found["imag"])
        except (TypeError, ValueError):
            return found
    return found


def _moment(state: Mapping[str, Any], key: str) -> datetime:
    value = state.get(key)
    try:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise MalformedTrace(
            f"{key} is {value!r}; it must be a datetime or its ISO text."
        ) from None


def _nanoseconds(moment: datetime) -> int:
    # A naive one is local time: flujo 0.4 writes datetime.now().
    return round(moment.timestamp() * 10**6) * 1000
