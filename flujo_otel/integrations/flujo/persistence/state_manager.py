"""The methods of flujo's StateManager that are replaced, for runs whose state backend is ours."""

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

import wrapt

from flujo_otel.guard import guarded
from flujo_otel.integrations.flujo import facts
from flujo_otel.integrations.flujo.persistence.context import written_context
from flujo_otel.integrations.flujo.persistence.stand_in import ContextStandIn, HistoryStandIn
from flujo_otel.integrations.flujo.persistence.written_history import written_by
from flujo_otel.integrations.flujo.step import current_step
from flujo_otel.storage.sqlite import SQLiteBackend
from flujo_otel.storage.state_rows import tagged_output

_RUNNER: Final = "flujo.application.runner"
_MANAGERS: Final = (
    "flujo.application.core.state_manager",
    "flujo.application.core.state.state_manager",
)
_SAVES: Final = ("persist_workflow_state", "persist_workflow_state_optimized")
_RECORDS: Final = ("record_run_start", "record_step_result", "record_run_end")
_RECORDS_STEP: Final = "record_step_result"
_LOADS: Final = "load_workflow_state"
_WRITING: Final = guarded("writing out a run's history")
_COUNTING: Final = guarded("counting a step's tokens")

_replaced: Final[set[type]] = set()


def replace_when_imported() -> None:
    """Once flujo is there; nothing of the program's changes by it but what our backend costs."""
    if _RUNNER in sys.modules:
        _replace_all(sys.modules[_RUNNER])
    elif not _replaced:
        wrapt.register_post_import_hook(_replace_all, _RUNNER)


def _replace_all(_: Any) -> None:
    with guarded("taking over the persistence of flujo"):
        state = import_module("flujo.state")
        # So that isinstance says what it is good for: it has no base class of flujo's, for it must
        # also work where flujo is not installed.
        state.StateBackend.register(SQLiteBackend)
        for name in _MANAGERS:
            manager = getattr(sys.modules.get(name), "StateManager", None)
            if manager is not None and manager not in _replaced:
                _replaced.add(manager)
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
                written = written_by(manager, str(kwargs.get("run_id")))
                history = written.with_all(kwargs.get("step_history") or ())
                history.context = written_context(kwargs.get("context"), kwargs.get("status"))
                history.output = tagged_output(kwargs.get("last_step_output"))
                if history.context is not None:
                    kwargs["context"] = ContextStandIn(kwargs["context"])
                kwargs["step_history"] = [HistoryStandIn(history)]
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
