"""What flujo spends on handing a run's state to our backend, without the part that grows.

After every step flujo writes the whole history of the run out anew, one model at a time, before it
asks the backend to save it: 100 trivial steps take 10 ms without a backend, 80 with one that does
nothing (0.6: 0.1 s and 3.5 s). Where the backend is ours, one object stands for that history, and
only the entries that are new are written out. Every other backend is handed what it always was.
"""

import functools
import operator
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final
from weakref import WeakValueDictionary

import wrapt

from flujo_otel.guard import guarded
from flujo_otel.integrations.flujo import facts
from flujo_otel.integrations.flujo.step import current_step
from flujo_otel.interruption import passes
from flujo_otel.storage.sqlite import SQLiteBackend
from flujo_otel.storage.state_codec import encode
from flujo_otel.storage.state_rows import History, tagged_output, whole_context

_RUNNER: Final = "flujo.application.runner"
_MANAGERS: Final = (
    "flujo.application.core.state_manager",
    "flujo.application.core.state.state_manager",
)
_SAVES: Final = ("persist_workflow_state", "persist_workflow_state_optimized")
_RECORDS: Final = ("record_run_start", "record_step_result", "record_run_end")
_RECORDS_STEP: Final = "record_step_result"
_LOADS: Final = "load_workflow_state"
_KEPT: Final = "_flujo_otel_history"
_WRITING: Final = guarded("writing out a run's history")
_COUNTING: Final = guarded("counting a step's tokens")
_COLUMNS: Final = (
    "run_id",
    "pipeline_id",
    "pipeline_name",
    "pipeline_version",
    "total_steps",
    "error_message",
)


class _Kept:
    """The entries of one run's history that are written out already."""

    __slots__ = ("__weakref__", "_entries", "_latest", "_list", "_results")

    _latest: History

    def __init__(self) -> None:
        self._list: Sequence[Any] = ()
        self._start()

    def history(self, results: Sequence[Any]) -> History:
        """All of `results`, each as it was when its step had ended (0.6 lets the entries of steps
        long over point to the context of now)."""
        if not self._goes_on(results):
            self._start()
        self._list = results
        same = len(self._results)
        new = results[same:]
        first = same if self._latest.is_saved else self._latest.first
        self._entries += map(_encoded, new)
        self._results += new
        self._latest = History.of(self._entries, first)
        return self._latest

    def _start(self) -> None:
        self._results: list[Any] = []
        self._entries: list[str] = []
        self._latest = History.of(self._entries, 0)

    def _goes_on(self, results: Sequence[Any]) -> bool:
        """Whether `results` begin with those that are written out. Of flujo's own list, which it
        adds to and of which it replaces at most the last, only that one is looked at: to touch
        them all after each step took as long as to write out the new one."""
        same = len(self._results)
        if len(results) < same:
            return False
        if results is self._list:
            return same == 0 or results[same - 1] is self._results[-1]
        return not any(map(operator.is_not, results, self._results))


_kept: Final[WeakValueDictionary[tuple[int, str], _Kept]] = WeakValueDictionary()
"""By backend and run, as long as a manager of flujo's has it: 0.6 gives a run's end to another."""


def _kept_by(manager: Any, run_id: str) -> _Kept:
    of_manager = vars(manager).setdefault(_KEPT, {})
    if run_id not in of_manager:
        of_run = _kept.setdefault((id(manager.state_backend), run_id), _Kept())
        of_manager.clear()  # a manager that serves many runs, one by one, keeps none but the latest
        of_manager[run_id] = of_run
    found: _Kept = of_manager[run_id]
    return found


@lru_cache(maxsize=256)
def _columns_of(kind: Any) -> tuple[str, ...]:
    """The columns that a context of this class may have. For what it lacks, a model of pydantic's
    composes a message first: five such took a fifth of all that comes before the save."""
    answers = (base for base in kind.__mro__ if "__getattr__" in vars(base))
    is_pydantic_s = next(answers).__module__.startswith("pydantic.")
    if not is_pydantic_s or kind.model_config.get("extra") == "allow":
        return _COLUMNS
    fields = kind.model_fields
    return tuple(name for name in _COLUMNS if name in fields or hasattr(kind, name))


class _StandForContext:
    """In place of a context that is written out already: the fields alone that flujo makes columns
    of. 0.6 would walk all of the context twice and take its hash, half of what a save costs it."""

    def __init__(self, context: Any) -> None:
        kind: type = type(context)
        for name in _columns_of(kind):
            if hasattr(context, name):
                setattr(self, name, getattr(context, name))
        self._size_bytes = context.__sizeof__()

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return {}

    def __sizeof__(self) -> int:
        return int(self._size_bytes)  # 0.4 notes it


class _StandForHistory:
    """In place of all entries of a history. flujo asks each entry for its `model_dump`: this one
    answers with what is written out already."""

    __slots__ = ("history",)

    def __init__(self, history: History) -> None:
        self.history = history

    def model_dump(self, **_: Any) -> History:
        return self.history


def apply_when_imported() -> None:
    """Once flujo is there; nothing of the program's changes by it but what our backend costs."""
    if _RUNNER in sys.modules:
        _apply(sys.modules[_RUNNER])
    elif not _applied:
        wrapt.register_post_import_hook(_apply, _RUNNER)


_applied: Final[set[type]] = set()


def _apply(_: Any) -> None:
    with guarded("taking over the persistence of flujo"):
        state = import_module("flujo.state")
        # So that isinstance says what it is good for: it has no base class of flujo's, for it must
        # also work where flujo is not installed.
        state.StateBackend.register(SQLiteBackend)
        for name in _MANAGERS:
            manager = getattr(sys.modules.get(name), "StateManager", None)
            if manager is not None and manager not in _applied:
                _applied.add(manager)
                for method in _SAVES:
                    _replace(manager, method, _lean)
                _replace(manager, _RECORDS_STEP, _counted)
                for method in _RECORDS:
                    _replace(manager, method, _outermost)
                _replace(manager, _LOADS, _forgiving)


def _replace(owner: type, name: str, wrap: Callable[[Any], Any]) -> None:
    original = vars(owner).get(name)
    if original is not None:
        setattr(owner, name, functools.wraps(original)(wrap(original)))


def _lean(original: Callable[..., Any]) -> Callable[..., Any]:
    """flujo's saving of a state, which hands our backend what is written out already."""

    def persist(manager: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(manager.state_backend, SQLiteBackend):
            with _WRITING:
                kept = _kept_by(manager, str(kwargs.get("run_id")))
                history = kept.history(kwargs.get("step_history") or ())
                history.context = _context(kwargs.get("context"), kwargs.get("status"))
                history.output = tagged_output(kwargs.get("last_step_output"))
                if history.context is not None:
                    kwargs["context"] = _StandForContext(kwargs["context"])
                kwargs["step_history"] = [_StandForHistory(history)]
        return original(manager, *args, **kwargs)

    return persist


def _outermost(original: Callable[..., Any]) -> Callable[..., Any]:
    """A pipeline inside a traced step (`as_step`) is recorded as steps of the outer run, by its
    spans; a record of its own would list its steps twice. Its state is saved all the same."""

    def record(manager: Any, *args: Any, **kwargs: Any) -> Any:
        step = current_step.get()
        is_nested = step is not None and not step.closed and step.is_recording
        if is_nested and isinstance(manager.state_backend, SQLiteBackend):
            return _nothing()
        return original(manager, *args, **kwargs)

    return record


async def _nothing() -> None:
    """What there is to await where nothing is done."""


def _counted(original: Callable[..., Any]) -> Callable[..., Any]:
    """flujo's recording of a step, without the tokens that it counts where no model was called."""

    def record(manager: Any, run_id: Any, step_result: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(manager.state_backend, SQLiteBackend):
            with _COUNTING:
                stand_ins = facts.stand_in_tokens(step_result)
                if stand_ins:
                    tokens = facts.tokens_of(step_result) - stand_ins
                    step_result = step_result.model_copy(update={"token_counts": tokens})
        return original(manager, run_id, step_result, *args, **kwargs)

    return record


def _forgiving(original: Callable[..., Any]) -> Callable[..., Any]:
    """0.6 begins a run anew if the model of its context does not take back what was saved, which
    with us is all of it. Such a run goes on from the part that 0.6 itself would have saved."""

    async def load(manager: Any, *args: Any, **kwargs: Any) -> Any:
        loaded = await original(manager, *args, **kwargs)
        serializer = getattr(manager, "_serializer", None)
        if serializer is None or not isinstance(manager.state_backend, SQLiteBackend):
            return loaded
        if loaded[0] is not None or loaded[3] is None:  # taken back, or there is no state
            return loaded
        run_id = args[0] if args else kwargs["run_id"]
        model = args[1] if len(args) > 1 else kwargs.get("context_model")
        with guarded("going on with a part of a context"):
            state = await manager.state_backend.load_state(run_id)
            fields = SimpleNamespace(**(state or {}).get("pipeline_context", {}))
            part = serializer.serialize_context_minimal(fields)
            return serializer.deserialize_context(part, model), *loaded[1:]
        return loaded

    return load


def _context(context: Any, status: Any) -> str | None:
    """The whole of it, as it is now; None: as flujo has it."""
    if context is None:
        return None
    kind: Any = type(context)
    try:
        fields = kind.__pydantic_serializer__.to_python(context, warnings=False)
    except BaseException as error:  # a value that contains itself
        if passes(error):
            raise
        return None
    computed = _computed_of(kind)
    if computed:
        fields = {name: value for name, value in fields.items() if name not in computed}
    return whole_context(fields, status)


@lru_cache(maxsize=256)
def _computed_of(kind: Any) -> frozenset[str]:
    """The fields of a context of this class that it has from others: a property of pydantic's."""
    return frozenset(kind.model_computed_fields)


def _encoded(result: Any) -> str:
    if _has_registered():
        return encode(result.model_dump())
    try:
        # pydantic's own dump, in C; flujo's walks all that it gives once more, in Python.
        return encode(type(result).__pydantic_serializer__.to_python(result))
    except BaseException as error:  # a value that contains itself: flujo's has an answer
        if passes(error):
            raise
        return encode(result.model_dump())


def _has_registered() -> bool:
    """Whether the program registered serializers with flujo, which only flujo's way asks."""
    flujo = sys.modules.get("flujo.utils.serialization")
    return bool(getattr(flujo, "_custom_serializers", ()))
