"""Imports while the process ends.

`concurrent.futures` and others, which plugins of pydantic import, register a function with
`threading` that ends their threads; once the main thread is over this raises RuntimeError, and with
it the import of whatever needs them. To import them before, for a program that may never need them,
takes 15 ms and loads multiprocessing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_REGISTER: Final = "_register_atexit"


@contextmanager
def possible_at_exit() -> Iterator[None]:
    """What this thread imports in here may register such a function though it is too late: there
    will be no thread to end. Other threads meet what they always meet. Not to be entered by two
    threads at a time."""
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
        yield
    finally:
        setattr(threading, _REGISTER, register)
