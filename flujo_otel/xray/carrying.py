"""The current trace and step, carried to where Python does not carry them by itself.

asyncio's tasks and `asyncio.to_thread` do; threads, executors and `loop.run_in_executor` do not.
"""

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def carry(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, to be called in any thread, any number of times, as if it were called here:
    `Thread(target=carry(work))`, `executor.map(carry(work), items)`."""
    context = copy_context()

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
