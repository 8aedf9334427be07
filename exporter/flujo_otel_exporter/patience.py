"""Whether a thread that ends a span may be made to wait for room in the queue."""

import signal
import sys
import threading
from types import CodeType, FrameType
from typing import Any

from flujo_otel import forks
from flujo_otel.quiet import is_working


def may_wait() -> bool:
    """False on a thread with a running event loop, in a signal handler and during a fork.

    And on the writer's own, where the garbage collector may end a span. Asked only when the queue
    is full.
    """
    return not (_runs_event_loop() or forks.is_forking() or is_working() or _handles_signal())


def _runs_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _handles_signal() -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code in handlers:
            return True
        frame = frame.f_back
    return False


def _code_of(handler: Any) -> CodeType | None:
    function = getattr(handler, "__func__", handler)
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
