"""The end of the process: what is held is written on the thread that ends it; none is started.

(Python 3.12 cannot start a thread in atexit, nor can multiprocessing's children at their end.)
"""

import atexit
from collections.abc import Callable

from flujo_otel.guard import guarded

_finish: list[Callable[[], None]] = []


def register(finish: Callable[[], None]) -> None:
    """Have `finish`, which must know its own bound in time, called at the end of the process."""
    if not _finish:
        atexit.register(flush_everything)
    _finish.append(finish)


def flush_everything() -> None:
    """Called once or several times: other functions at exit may still make spans."""
    for finish in _finish:
        with guarded("the flush at exit"):
            finish()
