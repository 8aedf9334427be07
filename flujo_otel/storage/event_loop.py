"""How the backends' methods reach the store without holding the event loop up."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import NoReturn, ParamSpec, TypeVar

from flujo_otel.errors import FlujoOtelError, MalformedTrace
from flujo_otel.interruption import is_interruption
from flujo_otel.spanstore.runlog import WouldWait

P = ParamSpec("P")
T = TypeVar("T")


async def at_once(write: Callable[[bool], T]) -> T:
    """A small write: here and now (15 us; through a thread 30, on a machine at rest 250) where it
    needs to wait for nobody (`write(False)`), else in a thread (`write(True)`)."""
    try:
        return write(False)
    except WouldWait:
        pass
    except Exception as error:
        _tell(error)
    return await in_thread(write, True)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work` off the event loop. What it finds wrong with the data is MalformedTrace, whatever odd
    value of the caller's it met (a `str()` that raises, a number beyond all bounds)."""

    def call() -> T:
        return checked(work, *args, **kwargs)

    try:
        answer = asyncio.get_running_loop().run_in_executor(None, copy_context().run, call)
    except RuntimeError:  # the main thread has ended while this one goes on: no thread begins now
        return call()
    return await answer


def checked(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work`, its errors as `in_thread` has them."""
    try:
        return work(*args, **kwargs)
    except Exception as error:
        _tell(error)


def _tell(error: Exception) -> NoReturn:
    if isinstance(error, FlujoOtelError | OSError | WouldWait) or is_interruption(error):
        raise error
    raise MalformedTrace(f"This cannot be stored: {type(error).__name__}: {error}") from error
