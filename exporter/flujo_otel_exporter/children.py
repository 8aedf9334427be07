"""multiprocessing's children run neither atexit nor at-fork finalizers: they end in os._exit.

They run `multiprocessing.util.Finalize`, after the registry of these was emptied and filled anew by
`register_after_fork`. Both are used, since either may come first: under fork and forkserver this
module is told before a child's bootstrap, under spawn a program may configure tracing inside it.
"""

import os
import sys
from typing import Final

from flujo_otel import forks
from flujo_otel_exporter import process_exit

_LAST: Final = -100
"""After everybody else's finalizers, which may still make spans."""


class _Anchor:
    """What multiprocessing keeps a weak reference to."""


_anchor = _Anchor()
_watched_process = 0


def watch() -> None:
    """Flush at the end of this process, should it be a child of multiprocessing.

    Does nothing where the program has not loaded multiprocessing, and then never loads it.
    """
    global _watched_process
    util = sys.modules.get("multiprocessing.util")
    if util is None or _watched_process == os.getpid():
        return
    _watched_process = os.getpid()
    util.register_after_fork(_anchor, _register)
    _register(_anchor)


def _register(_: _Anchor) -> None:
    util = sys.modules["multiprocessing.util"]
    util.Finalize(None, process_exit.flush_everything, exitpriority=_LAST)


forks.surround(after_in_child=watch)
