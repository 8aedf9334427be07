"""Ctrl-C, where something has to come to its end first, or nothing has."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flujo_otel_cli.ending import interrupted_as_usual, interrupted_at_once


@contextmanager
def held_back() -> Iterator[None]:
    """A first Ctrl-C amid the body raises KeyboardInterrupt after it; a second one raises at once:
    a reader that takes no more keeps whoever writes for ever. For the main thread."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # as in the background of a script: ignored
        yield
        return
    came = False

    def note(*_: Any) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Ctrl-C amid the body ends the process: for imports, in which nothing is begun yet."""
    was_usual = interrupted_at_once()
    try:
        yield
    finally:
        if was_usual:
            interrupted_as_usual()
