"""What stands in for `graph.iter(...)`: the same context manager, with a span around it."""

import sys
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, Final

from flujo_otel.guard import guarded
from flujo_otel.integrations.pydantic_graph.execution import Execution
from flujo_otel.recording.attached import Attached

_AT_START: Final = guarded("the start of a graph run")
_AT_END: Final = guarded("the end of a graph run")


class Iteration:
    """Entered it opens the graph run's span and makes it current, left it ends the span.

    `inner` is pydantic-graph's own context manager, `open_execution` opens our span, `bind` tells
    pydantic-graph's run whose it is.
    """

    def __init__(
        self,
        inner: Any,
        open_execution: Callable[[], Execution],
        bind: Callable[[Any, Execution], None],
        *,
        is_resumed: bool = False,
    ) -> None:
        self._inner = inner
        self._open_execution = open_execution
        self._bind = bind
        self._is_resumed = is_resumed
        self._execution: Execution | None = None
        self._attached: Attached | None = None

    async def __aenter__(self) -> Any:
        with _AT_START:
            self._execution = self._open_execution()
            self._attached = Attached(self._execution.context)
        try:
            graph_run = await self._inner.__aenter__()
        except BaseException as error:
            self._finish(error)
            raise
        with _AT_START:
            if self._execution is not None:
                self._bind(graph_run, self._execution)
                self._execution.begin(graph_run, is_resumed=self._is_resumed)
        return graph_run

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        if self._execution is not None:
            self._execution.broken_by = error
        try:
            is_swallowed = await self._inner.__aexit__(kind, error, traceback)
        except BaseException as raised:
            self._finish(raised)
            raise
        self._finish(None if is_swallowed else error)
        return is_swallowed

    def _finish(self, error: BaseException | None) -> None:
        execution, self._execution = self._execution, None
        with _AT_END:
            if self._attached is not None:
                self._attached.undo()
            if execution is not None:
                execution.finish(error)

    def __del__(self) -> None:
        """A run whose task was thrown away is never left by the door."""
        if self._execution is not None:
            self._finish(None)


def infer_name(graph: Any, kwargs: Mapping[str, Any]) -> None:
    """Name a nameless graph by the variable that holds it, as `iter` does, which finds it by the
    frames above its own: with ours between them it would look at the wrong one."""
    if not kwargs.get("infer_name", True) or graph.name is not None:
        return
    caller: FrameType | None = sys._getframe(2)
    if caller is not None:
        for scope in (caller.f_locals, caller.f_globals):
            for name, value in scope.items():
                if value is graph:
                    graph.name = name
                    return
