"""flujo's workflow states to rows and back. Word for word, secrets too: a run goes on from them.

A state is saved after every step, so what is plain JSON already is written by json's own encoder,
in a tenth of the time that a walk in Python takes.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from enum import Enum
from typing import Any, Final

from flujo_otel.errors import MalformedTrace
from flujo_otel.interruption import passes
from flujo_otel.spanstore.statelog import StateTimes, WorkflowState
from flujo_otel.storage import tagged
from flujo_otel.storage.bound import DATA, FEW_NODES, MOST_NODES, Bound, unfolded, unfolds
from flujo_otel.storage.flujo_version import speaks_06
from flujo_otel.storage.plain import json_of, to_plain
from flujo_otel.storage.tagged import (
    KIND,
    Tag,
    has_lost,
    is_json_number,
    lost,
    tag,
    untag,
)

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
    are; `is_saved`: all of them are, since it was handed to save_state. `context` and `output`: the
    state's, in JSON, as they were before flujo put words in place of values; None: as flujo has it.
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
        pipeline_context=history.context or encode(state["pipeline_context"]),
        last_step_output=history.output or (None if output is None else encode(output)),
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


def is_restorable(row: WorkflowState) -> bool:
    """Whether a run can go on from `row`: with the values that it had, not with words for them."""
    output = row.last_step_output if row.current_step_index > 0 else None
    return not has_lost(row.pipeline_context) and not (output and has_lost(output))


def lost_words(row: WorkflowState) -> str:
    """What stands in `row` for a value that cannot come back, as "<unserializable: socket>"."""
    return tagged.lost_words(row.last_step_output or "") or tagged.lost_words(row.pipeline_context)


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


def encode(value: Any) -> str:
    """As JSON, with tags where it has no word (`tagged`). Never raises for what `value` is."""
    writing = _Writing()
    try:
        text = writing.text(value)
        text.encode()
    except BaseException as error:  # no word for it, or of a class that is not ours
        if passes(error):
            raise
        # Too deep for json is lost in any case.
        return _walked(value, FEW_NODES if isinstance(error, RecursionError) else writing.most)
    is_odd = any(key in text for key in _ODD_KEYS) or f'"{KIND}"' in text
    return _walked(value, writing.most) if is_odd else text


def decode(text: str | None) -> Any:
    """What `encode`, or flujo, wrote; what cannot come back is None. Complex numbers that flujo 0.6
    wrote are such again there."""
    if not text:
        return None
    if f'"{KIND}"' in text or ('"imag"' in text and speaks_06()):
        return json.loads(text, object_hook=_restored)
    return json.loads(text)


class _Writing:
    """One value in json's own encoder, which nothing stops: it is counted before it is written.

    `most`: of its values are worth reading by other means.
    """

    __slots__ = ("_nodes", "_objects", "_opened", "most")

    def __init__(self) -> None:
        self.most = FEW_NODES
        self._nodes = self._opened = 0
        self._objects: set[int] | None = None

    def text(self, value: Any) -> str:
        """Raises what the encoder does, and ValueError for what it had better not begin with."""
        self._count(value)
        encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=self._open)
        return encoder.encode(value)

    def _open(self, value: Any) -> Any:
        plain = _plain(value)
        if isinstance(plain, DATA) and not isinstance(plain, Tag):
            self._count(plain)
            self._opened += 1
            self._objects = self._objects or set()
            self._objects.add(id(value))
            if unfolds(self._nodes, self._opened, len(self._objects)):
                self.most = FEW_NODES
                raise ValueError(f"{type(value).__name__} unfolds to too many values")
        return plain

    def _count(self, value: Any) -> None:
        self.most = FEW_NODES  # if this raises
        self._nodes += unfolded(value)
        self.most = MOST_NODES + self._nodes


def _walked(value: Any, most_nodes: int) -> str:
    return json_of(_walk(value, Bound(most_nodes)))


def _plain(value: Any) -> Any:
    """One level of it: by what the program registered with its flujo, which is loaded where it has
    one; else tagged, or as `plain` words it."""
    flujo = sys.modules.get("flujo.utils.serialization")
    lookup = getattr(flujo, "lookup_custom_serializer", None)
    registered = lookup(value) if lookup is not None else None
    if registered is not None:
        return registered(value)
    try:
        return _opened(value)
    except BaseException as error:  # of a class that is not ours
        if passes(error):
            raise
        return lost(f"<{type(value).__name__}: {type(error).__name__}>")


def _opened(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    marked = _stars(value) or tag(value)
    if marked is not None:
        return marked
    for kinds, open_one in _CONTAINERS:
        if isinstance(value, kinds):
            return open_one(value)
    if not isinstance(value, type) and hasattr(type(value), "__dataclass_fields__"):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if not isinstance(value, type) and hasattr(type(value), "model_dump"):
        return value.model_dump()
    word = to_plain(value)
    is_stand_in = type(word) is str and word.startswith("<") and not callable(value)
    return lost(word) if is_stand_in else word


def _stars(value: Any) -> str | None:
    """Of a secret of pydantic's, as with flujo's own backend: no dump lays it open."""
    return str(value) if hasattr(type(value), "get_secret_value") else None


def _walk(value: Any, bound: Bound) -> Any:
    """What the encoder makes of `value`, where it cannot: numbers beyond JSON's, odd keys, values
    that contain themselves, objects that look like tags."""
    if isinstance(value, _WORDS):
        return to_plain(value)
    if isinstance(value, (int, float)) and not isinstance(value, Enum):
        return to_plain(value) if is_json_number(value) else tag(value)
    is_data = isinstance(value, DATA)
    plain = value if is_data else _plain(value)
    if isinstance(plain, Tag):
        return plain
    words = bound.open(value, len(value) if is_data else 1)
    if words:
        return lost(words)
    try:
        return _parts(value, bound) if is_data else _walk(plain, bound)
    except BaseException as error:  # of a class that is not ours
        if passes(error):
            raise
        return lost(f"<{type(value).__name__}: {type(error).__name__}>")
    finally:
        bound.close(value)


def _parts(value: Any, bound: Bound) -> Any:
    if not isinstance(value, dict):
        return [_walk(member, bound) for member in value]
    found = {}
    for key, member in value.items():
        if type(key) is not str or key == KIND:
            return tagged.pairs([(_key(k, bound), _walk(v, bound)) for k, v in value.items()])
        found[key] = _walk(member, bound)
    return found


def _key(key: Any, bound: Bound) -> str | Tag:
    """Its text, as flujo has it; a tag where the key would not be told from others by that."""
    if type(key) is str:
        return key
    plain = _walk(key, bound)
    if isinstance(plain, str | Tag):
        return plain
    has_tags = isinstance(plain, DATA) and tagged.has_tags(json_of(plain))
    return lost(f"<{type(key).__name__} as a key>") if has_tags else str(plain)


_WORDS: Final = (str, bool, type(None))
_CONTAINERS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Mapping, dict),
    (Set, lambda value: sorted(value, key=str)),
    (memoryview, lambda value: tag(bytes(value))),
    (Sequence, list),
)


def _restored(found: dict[str, Any]) -> Any:
    if KIND in found:
        return untag(found)
    return _complex(found) if speaks_06() else found


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
