"""The port for runs, steps and trace trees that come as FSD-08 and Trace Storage v2.0 hand them in:
as finished rows, not as spans. They land in the same tables as everything else.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from flujo_otel.model import Batch


class RunStart(NamedTuple):
    """A row of `runs` as it begins; times as text exactly as given, and as Unix nanoseconds."""

    run_id: str
    pipeline_name: str
    pipeline_version: str
    status: str
    start_time: str
    start_time_ns: int


class RunEnd(NamedTuple):
    """What a run's end adds; `final_context` is JSON."""

    status: str
    end_time: str
    end_time_ns: int
    total_cost: float | None
    final_context: str


class StepResult(NamedTuple):
    """A row of `steps`; input, output and error are JSON."""

    step_run_id: str
    run_id: str
    step_name: str
    step_index: int
    status: str
    start_time: str
    end_time: str | None
    duration_ms: float | None
    cost: float | None
    tokens: float | None
    input: str
    output: str
    error: str | None
    start_time_ns: int
    end_time_ns: int | None


class SpanRow(NamedTuple):
    """A span as a tree is built of it: ids as they were given, `attributes` a JSON object."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_time_ns: int
    end_time_ns: int | None
    status: str
    attributes: str


class SpanGroup(NamedTuple):
    """Ended spans of one name and status."""

    name: str
    status: str
    span_count: int
    total_ns: int


class RunLog(Protocol):
    """Each call is one transaction. May be called from any thread, and from several at once.

    Every method raises StoreUnavailable (retryable; nothing was written) or ForeignDatabase.
    """

    def save_run_start(self, start: RunStart) -> None:
        """Add the run, or begin it anew: its end is forgotten, its spans and steps stay.

        From then on no span changes its name, status or times.
        """
        ...

    def save_run_end(self, run_id: str, end: RunEnd) -> None:
        """Note a run's end; nothing where there is no such run."""
        ...

    def save_step_result(self, step: StepResult) -> None:
        """Add or replace the step."""
        ...

    def replace_tree(self, run_id: str, tree: Batch) -> None:
        """Store `tree` in place of what was last stored for this run under the tree's scope."""
        ...

    def run(self, run_id: str) -> Sequence[Any] | None:
        """The eight columns of FSD-08's `runs`."""
        ...

    def steps(self, run_id: str) -> list[Sequence[Any]]:
        """FSD-08's columns of `steps` from step_name on, in order of step_index."""
        ...

    def spans(self, run_id: str, status: str | None, name: str | None) -> list[SpanRow]:
        """In order of start, then of arrival; None: all."""
        ...

    def span_groups(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None
    ) -> list[SpanGroup]:
        """Over the ended spans that started in [since, until]; None: all."""
        ...

    def delete_run(self, run_id: str) -> bool:
        """Delete a run with all that belongs to it; False where there was none."""
        ...
