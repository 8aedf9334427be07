"""SIGTERM: what is held is written, then the process ends by the signal as it would have.

Installed on the main thread and only over SIG_DFL: a program's own handler, SIG_IGN and a handler
set from C stay. The handler runs between any two bytecodes of the main thread, so it takes no lock:
it asks the writer's thread and waits for it, 2 s at most.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from flujo_otel.guard import guarded
from flujo_otel_exporter.limits import TERMINATION_SECONDS

_flush: list[Callable[[float], None]] = []
_unfinished = 0
"""Sections of ours on the main thread that have to come to their end before it may die."""
_deferred_until: float | None = None


def install(flush: Callable[[float], None]) -> None:
    """Have `flush`, which must take no lock, called at SIGTERM with its deadline (monotonic)."""
    if flush not in _flush:
        _flush.append(flush)
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _handle)


@contextmanager
def deferred() -> Iterator[None]:
    """Around work of ours that holds what the handler would wait for: a signal is handled after."""
    begin()
    try:
        yield
    finally:
        end()


def begin() -> None:
    """Open a section that a SIGTERM has to wait for. Does nothing off the main thread."""
    global _unfinished
    if threading.current_thread() is threading.main_thread():
        _unfinished += 1


def end() -> None:
    """Close it, and die now if a SIGTERM came meanwhile."""
    global _unfinished
    if threading.current_thread() is threading.main_thread():
        _unfinished -= 1
        if _deferred_until is not None and not _unfinished:
            _die()


def soonest(deadline_seconds: float) -> float:
    """`deadline_seconds` (monotonic), or what a SIGTERM that came meanwhile leaves of it."""
    return deadline_seconds if _deferred_until is None else min(deadline_seconds, _deferred_until)


def forget() -> None:
    """In a forked child: the signal that waited was the parent's."""
    global _unfinished, _deferred_until
    _unfinished, _deferred_until = 0, None


def _handle(_signal_number: int, _frame: FrameType | None) -> None:
    global _deferred_until
    deadline_seconds = time.monotonic() + TERMINATION_SECONDS
    if _unfinished:
        _deferred_until = min(_deferred_until or deadline_seconds, deadline_seconds)
        return
    for flush in _flush:
        with guarded("the flush at SIGTERM"):
            flush(deadline_seconds)
    _die()


def _die() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
