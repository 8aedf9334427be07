"""The span of a call of a model or a retriever as the current one of the caller's own context.

What is attached there is a stand-in, which is put back at the end or at the first token; where the
end arrives in another context (async callbacks end in a task of their own) the stand-in lets go of
the span, and stands for the one that was current before.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Final, cast

import wrapt
from opentelemetry.context import attach, get_current
from opentelemetry.trace import Span, get_current_span, set_span_in_context

_MODEL: Final = "BaseChatModel."


class CurrentSpan(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Stands for `span` until released, then for what was current when it was made."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self._self_before = _held(get_current_span())
        self._self_is_released = False
        self._self_attached: AttachedSpan | None = None

    def release(self) -> None:
        self.__wrapped__ = self._self_before
        self._self_is_released = True


def _held(span: Span) -> Span:
    """What a released stand-in stands for: a long loop of calls must not chain them up."""
    while isinstance(span, CurrentSpan) and span._self_is_released:
        span = span._self_before
    return span


class AttachedSpan:
    """`span` as the current one of the caller's own context, until `undo`.

    `lose`: called where its call is found to be over, which LangChain does not tell.
    """

    __slots__ = ("_before", "_context", "_stand_in", "_task", "lose")

    def __init__(self, span: Span, lose: Callable[[], None]) -> None:
        self.lose = lose
        self._stand_in = CurrentSpan(span)
        self._stand_in._self_attached = self
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
        self._stand_in._self_attached = None

    @property
    def is_left(self) -> bool:
        """Whether the call is over, unknown to LangChain: its task runs, and not in a model."""
        if self._task is None or self._task is not _current_task():
            return False
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_qualname.startswith(_MODEL):
            frame = frame.f_back  # type: ignore[assignment]
        return frame is None


def lose_left_call() -> None:
    """Lose the model's call that is current still, though it was cancelled in this very task.

    `wait_for(model.ainvoke(...), 1)` leaves no trace with LangChain where it times out, and what is
    tried next must not hang under it. The call itself is freed only when the task waits again.
    """
    span = get_current_span()
    attached: AttachedSpan | None = span._self_attached if isinstance(span, CurrentSpan) else None
    if attached is not None and attached.is_left:
        attached.lose()


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return None
