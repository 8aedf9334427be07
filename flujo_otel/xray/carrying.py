"""The current trace and step, carried to where Python does not carry them by itself.

asyncio's tasks and `asyncio.to_thread` do; threads, executors, `loop.run_in_executor` and other
processes do not.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from opentelemetry import context as otel
from opentelemetry import propagate

P = ParamSpec("P")
T = TypeVar("T")


def carry(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, to be called in any thread, any number of times, as if it were called here:
    `Thread(target=carry(work))`, `executor.map(carry(work), items)`. Another process, where it can
    be pickled as `function` can, is told what span is current here, as OpenTelemetry tells another
    service. An async function may be awaited in any event loop of asyncio's."""
    context = copy_context()
    if inspect.iscoroutinefunction(function):
        # A coroutine runs in the context of the task that awaits it, not where it was made.
        @functools.wraps(function)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            made = function(*args, **kwargs)
            return await asyncio.get_running_loop().create_task(made, context=context.copy())

        return cast(Callable[P, T], awaited)

    return _Carried(function, context)


class _Carried(Generic[P, T]):
    """A function in all but that it can be pickled."""

    def __init__(self, function: Callable[P, T], context: Context) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._context = context

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        # A copy for each call: a context cannot be entered twice at once.
        return self._context.copy().run(self._function, *args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __copy__(self) -> "_Carried[P, T]":
        return self

    def __deepcopy__(self, memo: Any) -> "_Carried[P, T]":
        return self

    def __reduce__(self) -> Any:
        headers: dict[str, str] = {}
        self._context.copy().run(propagate.inject, headers)
        return _arrived, (self._function, headers)


def _arrived(function: Callable[P, T], headers: dict[str, str]) -> Callable[P, T]:
    """`function` in another process, under the span that `headers` name."""
    context = copy_context()
    # Nothing of what is current in this one, which may have been forked inside of a step.
    context.run(otel.attach, propagate.extract(headers, otel.Context()))
    return _Carried(function, context)


class CarryingThreadPoolExecutor(ThreadPoolExecutor):
    """A thread pool whose calls run inside the trace and step that `submit` or `map` was called
    in."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ThreadPoolExecutor's; `map` comes by here too."""
        context = copy_context()
        submit: Callable[..., Future[T]] = super().submit
        return submit(context.run, fn, *args, **kwargs)


__all__: list[Any] = ["CarryingThreadPoolExecutor", "carry"]
