"""Our own faults: what we could not look through is redacted as a whole, never shown, and whoever
gave it is not told."""

import traceback
from typing import Final

from flujo_otel.guard import report
from flujo_otel.interruption import passes

_WHAT: Final = "redacting"


class RedactionFault(Exception):
    """What is told of a fault in its stead, whose own words may hold what was to be redacted."""


def swallow(error: BaseException) -> None:
    """Count and log `error`, which was caught where something was redacted. Raises it if it is the
    program's, or if FLUJO_OTEL_RAISE says so."""
    if passes(error):
        raise error
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    kind, code = type(error).__name__, frame.f_code
    if not report(_WHAT, RedactionFault(f"{kind} in {code.co_qualname}, line {line}")):
        raise error
