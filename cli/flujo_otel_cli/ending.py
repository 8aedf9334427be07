"""Ctrl-C where there is nothing to bring to an end: the process is over at once, and says nothing.

What Python makes of it, an exception at any place, would be a traceback before `lens` can catch
one, and is lost where an import is amid a callback. Imports hardly anything: `lens` starts with it.
"""

import os
import signal

_INTERRUPTED = 130  # as `problem.Exit` has it


def end_at_once(*_: object) -> None:
    """A handler of SIGINT."""
    os._exit(_INTERRUPTED)


def interrupted_at_once() -> bool:
    """Have SIGINT end the process at once, where it raises KeyboardInterrupt; False: it does not,
    as in the background of a script, where it is ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    try:
        signal.signal(signal.SIGINT, end_at_once)
    except ValueError:  # not in the main thread, where signals do not arrive
        return False
    return True


def interrupted_as_usual() -> None:
    """Have it raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
