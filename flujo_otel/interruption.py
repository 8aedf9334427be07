"""Which exceptions are the program's and only pass through us.

A signal's handler runs in whatever function is running, ours too. What it raises there, a time
limit of SIGALRM or Celery's SoftTimeLimitExceeded, is meant for the program, and an Exception like
any. A value's own code (`__repr__`, a serializer) raises what it likes, while we record it: what
ends or cancels the program's work is meant for the program, all else is the value's fault.
"""

import functools
import inspect
import signal
from collections.abc import Iterator
from itertools import pairwise
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

_MOST_WRAPPERS: Final = 16
_SIGNALS: Final = frozenset(signal.valid_signals())
_ENDINGS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
_ENDINGS_OF_OTHERS: Final = frozenset(
    {
        "_pytest.outcomes.OutcomeException",
        "asyncio.exceptions.CancelledError",
        "dramatiq.middleware.threading.Interrupt",
        "eventlet.timeout.Timeout",
        "func_timeout.exceptions.FunctionTimedOut",
        "gevent.timeout.Timeout",
        "greenlet.GreenletExit",
        "trio.Cancelled",
    }
)
"""By name, so that nothing is imported for them."""
_PANIC: Final = "PanicException"
"""Each extension that was made with pyo3 has a class of its own of this name."""


def passes(error: BaseException) -> bool:
    """Whether `error`, which came out of a value's own code, is the program's: it ends the program
    or cancels what it does. All else is to be caught, a BaseException too (`is_panic`)."""
    if isinstance(error, _ENDINGS) or is_interruption(error):
        return True
    return any(
        f"{kind.__module__}.{kind.__qualname__}" in _ENDINGS_OF_OTHERS
        for kind in type(error).__mro__
    )


def is_panic(error: BaseException) -> bool:
    """Whether Rust code of an extension (polars, tokenizers) panicked: a BaseException that is a
    fault like an Exception, and not made to pass what catches those."""
    return any(kind.__name__ == _PANIC for kind in type(error).__mro__)


def is_interruption(error: BaseException) -> bool:
    """Whether a signal handler raised `error` below the frame that caught it.

    Known by its code, where it is installed still, or by its arguments: the signal and the frame
    that was interrupted. To look takes some 20 us.
    """
    # The first frame caught it: one of a handler that calls us is no handler interrupting us.
    caught = error.__traceback__
    if caught is None or caught.tb_next is None:
        return False
    installed = {code for number in _SIGNALS for code in _codes(signal.getsignal(number))}
    interrupted: FrameType = caught.tb_frame
    entry: TracebackType | None = caught.tb_next
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code in installed or _is_called_like_a_handler(frame, interrupted):
            return True
        interrupted, entry = frame, entry.tb_next
    return False


def _codes(handler: Any) -> Iterator[CodeType]:
    """Of the functions that a handler may run as: itself, and what it wraps."""
    for _ in range(_MOST_WRAPPERS):
        if handler is None or isinstance(handler, int):  # SIG_DFL, SIG_IGN
            return
        runs_as = getattr(handler, "__func__", handler)
        if not hasattr(runs_as, "__code__"):
            runs_as = type(handler).__call__  # an object's own
        if isinstance(code := getattr(runs_as, "__code__", None), CodeType):
            yield code
        is_partial = isinstance(handler, functools.partial)
        handler = handler.func if is_partial else getattr(handler, "__wrapped__", None)


def _is_called_like_a_handler(frame: FrameType, interrupted: FrameType) -> bool:
    """It may have put another handler in its place before it raised."""
    code = frame.f_code
    values = frame.f_locals
    given = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & inspect.CO_VARARGS:
        place = code.co_argcount + code.co_kwonlyargcount
        given += values.get(code.co_varnames[place]) or ()
    return any(
        second is interrupted and isinstance(first, int) and first in _SIGNALS
        for first, second in pairwise(given)
    )
