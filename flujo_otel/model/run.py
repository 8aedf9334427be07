"""A run: a view of its spans. A step: a row for each of its step spans.

NamedTuples: frozen dataclasses take 1.2 ms more to define, and `lens` starts for each look.
"""

from enum import StrEnum
from typing import NamedTuple

from flujo_otel.model.process import Process

_MILLISECOND_NS = 1_000_000


class RunStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    DIED = "died"
    """Its process is gone while the run was still open. Never stored: found out when it is read."""


class Run(NamedTuple):
    """One run. Times are Unix time in nanoseconds; `end_time_ns` None: not over (or died).

    `origin` is None for our own runs, else the path of flujo's own database that it came from.
    """

    run_id: str
    pipeline_name: str
    pipeline_version: str
    status: RunStatus
    start_time_ns: int
    end_time_ns: int | None
    last_time_ns: int
    """The latest time seen in any of its spans: how long a died run lived, at least."""
    total_cost_usd: float | None
    total_tokens: int | None
    span_count: int
    error_count: int
    trace_id: str | None = None
    final_context: str | None = None
    writer: Process | None = None
    origin: str | None = None
    unpriced_count: int = 0
    """Model calls whose cost nobody knows: with any, the total is what it cost at least."""
    is_left_open: bool = False
    """It is over, but for spans that were open when their process went."""

    @property
    def is_gone(self) -> bool:
        """What is still open in it will never end: its process is gone."""
        return self.status is RunStatus.DIED or self.is_left_open


class Step(NamedTuple):
    """One row of `steps`. Blobs are the JSON texts as recorded; times Unix time in nanoseconds."""

    step_run_id: str
    run_id: str
    step_name: str
    step_index: int
    status: str
    start_time_ns: int
    end_time_ns: int | None
    duration_ms: int | None
    cost_usd: float | None
    tokens: int | None
    input: str | None
    output: str | None
    error: str | None
    span_id: str | None = None
    unpriced_count: int = 0
    """As of a run, of all beneath the step."""

    @property
    def duration_ns(self) -> int | None:
        """How long it took; None while it runs. flujo hands a step in when it is over, with that as
        its start and its end: of one without a span `duration_ms` counts where it says more."""
        stated_ns = None if self.duration_ms is None else int(self.duration_ms * _MILLISECOND_NS)
        if self.end_time_ns is None or not self.start_time_ns:
            return stated_ns
        between_ns = self.end_time_ns - self.start_time_ns
        is_traced = self.span_id is not None
        return between_ns if is_traced or stated_ns is None else max(between_ns, stated_ns)
