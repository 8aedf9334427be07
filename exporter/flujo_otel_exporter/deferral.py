"""Spans that the writer's thread makes before its next flush, off the traced program's thread.

Of what tracing a step of a pipeline costs, half is the SDK's making of its span; after a rest, with
the caches empty, all of it takes two to three times as long. Many spans one after the other take a
third of that, on a thread that has the time.
"""

from typing import Final

from flujo_otel import forks
from flujo_otel_exporter.deferred_span import DeferredSpan

_MOST: Final = 1000
"""Of those that wait. Beside them the next one is made at once."""

_Key = tuple[int, int]

_waiting: Final[dict[_Key, DeferredSpan]] = {}
"""By trace id and span id, in the order in which they started."""


def add(span: DeferredSpan) -> DeferredSpan:
    """Have `span` made later."""
    if len(_waiting) < _MOST:
        _waiting[span.get_span_context()[:2]] = span
    else:
        span.make()
    return span


def make(key: _Key) -> None:
    """The span of this trace id and span id, if it is one of those that wait."""
    span = _waiting.get(key)
    if span is not None:
        span.make()


def catch_up(patience_seconds: float = 1.0) -> None:
    """Make all that wait; for another thread that has the lock only so long: it may be interrupted
    by a signal's handler, which waits for this one."""
    for key, span in list(_waiting.items()):
        if not span.make_within(patience_seconds):
            return
        _waiting.pop(key, None)


def behind() -> int:
    """How many wait."""
    return len(_waiting)


# Those of the parent are none of the child's; its copies of them stay what they are.
forks.surround(before=catch_up, after_in_child=_waiting.clear)
