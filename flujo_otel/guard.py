"""The line that tracing's own faults do not cross: the traced program never sees them.

    with guarded("end of a step"):
        ...

Imports nothing of the rest of the package but `interruption` and `words`; costs about 0.3 us when
nothing happens.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final

from flujo_otel.interruption import is_interruption, is_panic
from flujo_otel.words import words_of

RAISE_VARIABLE: Final = "FLUJO_OTEL_RAISE"
"""Set to 1, faults are raised instead: for our own tests, and to hunt one down."""

_logger = logging.getLogger("flujo_otel")
_counts: dict[str, int] = {}
_said: set[str] = set()
"""Faults that are the same wherever they are met."""


class guarded:
    """Context manager: an Exception in its body is logged once per `what`, counted, swallowed; so
    is a panic of Rust code.

    Any other BaseException (cancellation, KeyboardInterrupt, a time limit that another thread sets
    upon this one) was made to pass, and passes; so does what the program's signal handlers raise.
    With FLUJO_OTEL_RAISE=1 the exception passes too, counted all the same. Stateless, so one
    instance may be entered again and by several threads.
    """

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        return (isinstance(error, Exception) or is_panic(error)) and report(self.what, error)


def report(what: str, error: BaseException) -> bool:
    """Count `error`, log it if it is the first of `what`; True if it is to be swallowed. What the
    program's signal handlers raised is none of ours."""
    if is_interruption(error):
        return False
    # No lock: the SIGTERM handler comes by here, and may have interrupted this very line.
    count = _counts[what] = _counts.get(what, 0) + 1
    if os.environ.get(RAISE_VARIABLE) == "1":
        return False
    if count == 1 and not _is_said(error):
        with suppress(Exception):  # a filter or a handler of the program's
            _say(what, error)
    return True


def _say(what: str, error: BaseException) -> None:
    _logger.warning(
        "flujo-otel: %s failed: %s: %s (logged once; the traced program is not affected)",
        what,
        type(error).__name__,
        words_of(error),
    )
    _logger.debug("flujo-otel: %s failed", what, exc_info=error)


def _is_said(error: BaseException) -> bool:
    """Whether it was logged under another `what`, and is the same fault there."""
    if not getattr(type(error), "is_same_everywhere", False):
        return False
    text = str(error)
    was_said = text in _said
    _said.add(text)
    return was_said


def faults() -> Mapping[str, int]:
    """How often each guarded action failed in this process, by its `what`."""
    return _counts.copy()


if hasattr(os, "register_at_fork"):
    # The parent's faults are the parent's to tell.
    os.register_at_fork(after_in_child=_counts.clear)
    os.register_at_fork(after_in_child=_said.clear)
