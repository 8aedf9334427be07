"""The span of a chain, a tool or a node as the current one while its body runs: the program's code.

A body runs in a copy of the context that `_set_config_context` prepares, LangChain's or LangGraph's
own, in whatever thread or task: there, and nowhere else, its span is the current one, so nothing
has to be put back.
"""

from functools import cache
from typing import Any, Final
from uuid import UUID

import wrapt
from opentelemetry.context import Context, attach, create_key, get_value, set_value
from opentelemetry.trace import set_span_in_context

from flujo_otel.guard import guarded
from flujo_otel.integrations.langchain.run import OpenRun

_KEY: Final = create_key("flujo-otel-langchain")
_PLACES: Final = ("langchain_core.runnables.config", "langgraph._internal._runnable")
_PREPARES: Final = "_set_config_context"
_ENTERING: Final = guarded("entering a LangChain run")


class Bodies:
    """A handler whose runs' bodies run under their spans."""

    def open_run(self, run_id: UUID) -> OpenRun | None:
        """The run of LangChain's `run_id`, while it is open."""
        raise NotImplementedError


def below(run: OpenRun, context: Context | None = None) -> Context:
    """The context of the body of `run`."""
    return set_value(_KEY, run, set_span_in_context(run.span, context))


def body_of() -> OpenRun | None:
    """The open run in whose body this code runs: the current span is that run's, or one below."""
    run = get_value(_KEY)
    return run if isinstance(run, OpenRun) and run.is_open else None


@cache
def watch_bodies() -> None:
    """See to it that bodies run with their span as the current one; once is enough.

    LangChain tells handlers that a run starts, and never that its body does. These are the places
    where it and LangGraph prepare the context that the body runs in. Where a later version has no
    such place, spans that other libraries make in a body hang under the span around it instead.
    """
    for name in _PLACES:
        wrapt.register_post_import_hook(_watch, name)


def _watch(module: Any) -> None:
    original = getattr(module, _PREPARES, None)
    if original is not None and not isinstance(original, wrapt.FunctionWrapper):
        setattr(module, _PREPARES, wrapt.FunctionWrapper(original, _prepare))


def _prepare(original: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    prepared = original(*args, **kwargs)
    with _ENTERING:
        manager = args[0].get("callbacks")
        run_id = getattr(manager, "parent_run_id", None)
        if run_id is not None:
            _enter(manager, run_id)
    return prepared


def _enter(manager: Any, run_id: UUID) -> None:
    for handler in manager.handlers:
        if isinstance(handler, Bodies):
            run = handler.open_run(run_id)
            if run is not None:
                attach(below(run))
            return
