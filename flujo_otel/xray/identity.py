"""Ids of spans that we make without the SDK, and the times of a model in nanoseconds."""

import os
from time import time_ns

from flujo_otel.storage.moments import to_ns
from flujo_otel.storage.traces import Trace


def new_trace_id() -> int:
    """Time in its high half, so that an index grows at its end; random in its low one. From the
    system's entropy: neither a fork nor the program's `random.seed` repeats it."""
    return time_ns() << 64 | int.from_bytes(os.urandom(8), "big")


def new_span_id() -> int:
    """Never 0."""
    return int.from_bytes(os.urandom(8), "big") or 1


def times_ns(trace: Trace) -> tuple[int, int]:
    """Start and end of a trace that has ended."""
    start_ns = to_ns(trace.start_time)
    return start_ns, start_ns if trace.end_time is None else to_ns(trace.end_time)
