"""Which span is the current one while LangChain runs the program's code.

Chains and tools run their body in a copy of the context that `_set_config_context` prepares, in
whatever thread or task: there, and nowhere else, their span is the current one, so nothing has to
be put back. Models and retrievers run in the caller's own context. There a stand-in is attached,
which is put back at the end or at the first token; where the end arrives in another context (async
callbacks end in a task of their own) the stand-in lets go of the span, and stands for the one that
was current before.
"""

import asyncio
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt
from opentelemetry.context import Context, attach, get_current, set_value
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from flujo_otel.guard import guarded

if TYPE_CHECKING:
    from uuid import UUID

    from flujo_otel.integrations.langchain.run import OpenRun

_BODY_OF: Final = "flujo_otel.langchain.body_of"
_MODEL: Final = "BaseChatModel."
_CONFIG: Final = "langchain_core.runnables.config"
_PREPARES: Final = "_set_config_context"
_entering: Final = guarded("entering a LangChain run")


class CurrentSpan(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Stands for `span` until released, then for what was current when it was made."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self._self_before = _held(get_current_span())
        self._self_is_released = False
        self._self_run: OpenRun | None = None

    def release(self) -> None:
        self.__wrapped__ = self._self_before
        self._self_is_released = True


def _held(span: Span) -> Span:
    """What a released stand-in stands for: a long loop of calls must not chain them up."""
    while isinstance(span, CurrentSpan) and span._self_is_released:
        span = span._self_before
    return span


class Attached:
    """`run`'s span as the current one of the caller's own context, until `undo`."""

    __slots__ = ("_before", "_context", "_stand_in", "_task")

    def __init__(self, run: "OpenRun") -> None:
        self._stand_in = CurrentSpan(run.span)
        self._stand_in._self_run = run
        self._task = _current_task()
        self._before = get_current()
        self._context = set_span_in_context(cast(Span, self._stand_in))
        attach(self._context)

    def undo(self) -> None:
        """Put back what was, if this is where it was set; elsewhere only let go of the span."""
        self.release()
        if get_current() is self._context:
            attach(self._before)

    def release(self) -> None:
        """Safe while the garbage collector runs."""
        self._stand_in.release()
        self._stand_in._self_run = None

    @property
    def is_left(self) -> bool:
        """Whether the call is over, unknown to LangChain: its task runs, and not in a model."""
        if self._task is None or self._task is not _current_task():
            return False
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_qualname.startswith(_MODEL):
            frame = frame.f_back  # type: ignore[assignment]
        return frame is None


def left_call() -> "OpenRun | None":
    """The model's call that is current still, though it was cancelled in this very task.

    `wait_for(model.ainvoke(...), 1)` leaves no trace with LangChain where it times out, and what is
    tried next must not hang under it. The call itself is freed only when the task waits again.
    """
    span = get_current_span()
    run: OpenRun | None = span._self_run if isinstance(span, CurrentSpan) else None
    return run if run is not None and run.attached is not None and run.attached.is_left else None


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return None


class Bodies:
    """A handler whose runs' bodies run under their spans."""

    def open_run(self, run_id: "UUID") -> "OpenRun | None":
        """The run of LangChain's `run_id`, while it is open."""
        raise NotImplementedError


def below(run: "OpenRun", context: Context | None = None) -> Context:
    """The context of the body of `run`."""
    return set_value(_BODY_OF, run, set_span_in_context(run.span, context))


def body_of() -> "OpenRun | None":
    """The open run in whose body this code runs: the current span is that run's, or one below."""
    run: OpenRun | None = get_current().get(_BODY_OF)  # type: ignore[assignment]
    return run if run is not None and run.is_open else None


def watch_bodies() -> None:
    """See to it that bodies run with their span as the current one; once is enough.

    LangChain tells handlers that a run starts, and never that its body does. This is the one place
    where it prepares the context that the body runs in. Where a later LangChain has no such place,
    spans that other libraries make in a body hang under the span around the chain instead.
    """
    config = import_module(_CONFIG)
    original = getattr(config, _PREPARES, None)
    if original is not None and not isinstance(original, wrapt.FunctionWrapper):
        setattr(config, _PREPARES, wrapt.FunctionWrapper(original, _prepare))


def _prepare(original: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    prepared = original(*args, **kwargs)
    with _entering:
        manager = args[0].get("callbacks")
        run_id = getattr(manager, "parent_run_id", None)
        if run_id is not None:
            _enter(manager, run_id)
    return prepared


def _enter(manager: Any, run_id: "UUID") -> None:
    for handler in manager.handlers:
        if isinstance(handler, Bodies):
            run = handler.open_run(run_id)
            if run is not None:
                attach(below(run))
            return
