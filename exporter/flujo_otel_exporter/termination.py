"""SIGTERM: what is held is written, then the process ends by the signal as it would have.

Installed on the main thread and only over SIG_DFL: a program's own handler, SIG_IGN and a handler
set from C stay. The handler runs between any two bytecodes of the main thread, so it takes no lock:
it asks the writer's thread and waits for it, 2 s at most. One that comes during a fork is handled
after it: in the parent the thread stands still meanwhile; in the child Python forgets what came
before its hooks (of 40 that were terminated as soon as they were forked, 36 never ended).
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import get_ident
from types import FrameType
from typing import Any

from flujo_otel import forks
from flujo_otel.guard import guarded
from flujo_otel_exporter.limits import TERMINATION_SECONDS

_flush: list[Callable[[float], None]] = []
_unfinished = 0
"""Sections of ours on the main thread that have to come to their end before it may die."""
_deferred_until: float | None = None
_masks: dict[int, Any] = {}
"""Of the threads that fork just now: which signals they had blocked before."""


def install(flush: Callable[[float], None]) -> None:
    """Have `flush`, which must take no lock, called at SIGTERM with its deadline (monotonic)."""
    if flush not in _flush:
        _flush.append(flush)
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        with suppress(ValueError):  # of a subinterpreter, whose main thread is not the process's
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
    """Close it, and end now if a SIGTERM came meanwhile."""
    global _unfinished
    if threading.current_thread() is threading.main_thread():
        _unfinished -= 1
        if _deferred_until is not None and not _unfinished:
            _finish(_deferred_until)


def soonest(deadline_seconds: float) -> float:
    """`deadline_seconds` (monotonic), or what a SIGTERM that came meanwhile leaves of it."""
    return deadline_seconds if _deferred_until is None else min(deadline_seconds, _deferred_until)


def _before_fork() -> None:
    begin()
    if signal.getsignal(signal.SIGTERM) is _handle:
        # Asked for first: to change it runs the handlers of other signals, and what they raise is
        # raised here.
        _masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_in_parent() -> None:
    try:
        _unblock()
    finally:
        end()


def _after_in_child() -> None:
    """The signal that waited was the parent's; one that was the child's comes now."""
    global _unfinished, _deferred_until
    _unfinished, _deferred_until = 0, None
    _unblock()
    _masks.clear()


def _unblock() -> None:
    before = _masks.pop(get_ident(), None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handle(_signal_number: int, _frame: FrameType | None) -> None:
    global _deferred_until
    deadline_seconds = time.monotonic() + TERMINATION_SECONDS
    if _unfinished:
        _deferred_until = min(_deferred_until or deadline_seconds, deadline_seconds)
        return
    _finish(deadline_seconds)


def _finish(deadline_seconds: float) -> None:
    global _unfinished
    _unfinished += 1  # A section that the flush closes, or another signal, must not come by here.
    try:
        for flush in _flush:
            with guarded("the flush at SIGTERM"):
                flush(deadline_seconds)
    finally:
        _unfinished -= 1
    _die()


def _die() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


forks.surround(
    before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
