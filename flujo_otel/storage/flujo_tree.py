"""What flujo's own trees say about time, put right before they are stored.

0.6 times its spans by the monotonic clock. 0.4 waits 0.1 s for more output of a run's last step,
and takes that for the step's time. Every other tree is taken as it is.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from flujo_otel.semconv.flujo import PIPELINE_RUN, RUN_ID, STEP_LATENCY_SECONDS

_FIRST_UNIX_SECOND: Final = 1e9
"""The year 2001; no machine has been up for as long."""
_ROOT_OF_04: Final = "pipeline_root"
_WAIT_SECONDS: Final = 0.1


def put_right(run_id: str, trace: Mapping[str, Any]) -> Mapping[str, Any]:
    """`trace` itself, or a copy of it with Unix times and the last step's own duration."""
    attributes = trace.get("attributes")
    start = trace.get("start_time")
    if not isinstance(attributes, Mapping) or not isinstance(start, float):
        return trace
    if trace.get("name") == PIPELINE_RUN and attributes.get(RUN_ID) == run_id:
        # flujo saves a tree in the process that made it: the clock is the same.
        by_seconds = 0.0 if start >= _FIRST_UNIX_SECOND else time.time() - time.monotonic()
        return _moved(trace, by_seconds) if by_seconds else trace
    if trace.get("name") == _ROOT_OF_04 and trace.get("status") == "running":
        return _without_the_wait(trace)
    return trace


def _moved(span: Mapping[str, Any], by_seconds: float) -> Mapping[str, Any]:
    moved = dict(span)
    for key in ("start_time", "end_time"):
        if isinstance(span.get(key), float):
            moved[key] = span[key] + by_seconds
    children = span.get("children")
    if isinstance(children, list):
        moved["children"] = [
            _moved(child, by_seconds) if isinstance(child, Mapping) else child for child in children
        ]
    return moved


def _without_the_wait(trace: Mapping[str, Any]) -> Mapping[str, Any]:
    children = trace.get("children")
    if not isinstance(children, list) or not children or not isinstance(children[-1], Mapping):
        return trace
    last = children[-1]
    start, end = last.get("start_time"), last.get("end_time")
    latency = (last.get("attributes") or {}).get(STEP_LATENCY_SECONDS)
    if not (isinstance(start, float) and isinstance(end, float) and isinstance(latency, float)):
        return trace
    # A failed step says 0, and nobody waited for it.
    if latency <= 0 or end - start - latency < _WAIT_SECONDS / 2:
        return trace
    ended = {**last, "end_time": max(start + latency, end - _WAIT_SECONDS)}
    return {**trace, "children": [*children[:-1], ended]}
