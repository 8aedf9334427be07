"""Imports while the process ends.

`concurrent.futures` and others, which plugins of pydantic import, register a function with
`threading` that ends their threads; once the main thread is over this raises RuntimeError, and with
it the import of whatever needs them. So does giving work to a thread, as OpenTelemetry's `_logs`
does when it is imported, by logfire's plugin of pydantic. To import them before, for a program that
may never need them, takes 15 ms and loads multiprocessing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_REGISTER: Final = "_register_atexit"


@contextmanager
def possible_at_exit() -> Iterator[None]:
    """What this thread imports in here may register such a function though it is too late: there
    will be no thread to end; and what it gives to a thread that can no more be started is done by
    itself. Other threads meet what they always meet. Not to be entered by two threads at a time."""
    register: Callable[..., None] | None = getattr(threading, _REGISTER, None)
    if register is None:  # it is CPython's own affair
        yield
        return
    importing = threading.get_ident()

    def lenient(function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        try:
            register(function, *arguments, **named)
        except RuntimeError:
            if threading.get_ident() != importing:
                raise

    setattr(threading, _REGISTER, lenient)
    try:
        with _work_done_here(importing):
            yield
    finally:
        setattr(threading, _REGISTER, register)


@contextmanager
def _work_done_here(importing: int) -> Iterator[None]:
    from concurrent.futures import Future
    from concurrent.futures.thread import ThreadPoolExecutor

    submit = ThreadPoolExecutor.submit

    def lenient(
        pool: ThreadPoolExecutor, work: Callable[..., Any], /, *arguments: Any, **named: Any
    ) -> Future[Any]:
        try:
            return submit(pool, work, *arguments, **named)
        except RuntimeError:
            if threading.get_ident() != importing:
                raise
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except Exception as error:
            done.set_exception(error)
        return done

    ThreadPoolExecutor.submit = lenient  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
