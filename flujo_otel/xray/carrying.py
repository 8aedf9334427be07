"""The current trace and step, carried to where Python does not carry them by itself.

asyncio's tasks and `asyncio.to_thread` do; threads, executors and `loop.run_in_executor` do not.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def carry(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, to be called in any thread, any number of times, as if it were called here:
    `Thread(target=carry(work))`, `executor.map(carry(work), items)`. An async function may be
    awaited in any event loop of asyncio's."""
    context = copy_context()
    if inspect.iscoroutinefunction(function):
        # A coroutine runs in the context of the task that awaits it, not where it was made.
        @functools.wraps(function)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            made = function(*args, **kwargs)
            return await asyncio.get_running_loop().create_task(made, context=context.copy())

        return cast(Callable[P, T], awaited)

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> T:
        # A copy for each call: a context cannot be entered twice at once.
        return context.copy().run(function, *args, **kwargs)

    return carried


class CarryingThreadPoolExecutor(ThreadPoolExecutor):
    """A thread pool whose calls run inside the trace and step that `submit` or `map` was called
    in."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ThreadPoolExecutor's; `map` comes by here too."""
        context = copy_context()
        submit: Callable[..., Future[T]] = super().submit
        return submit(context.run, fn, *args, **kwargs)


__all__: list[Any] = ["CarryingThreadPoolExecutor", "carry"]
