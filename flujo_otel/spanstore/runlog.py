"""The port for runs, steps and trace trees that come as FSD-08 and Trace Storage v2.0 hand them in:
as finished rows, not as spans. They land in the same tables as everything else.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from flujo_otel.model import Batch
from flujo_otel.spanstore.statelog import StateLog


class WouldWait(Exception):
    """A call with `wait=False` would have had to wait, or to do something slow: nothing was done.

    To be made again with `wait=True`, off the event loop.
    """


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
    execution_time_ms: float | None = None
    memory_usage_mb: float | None = None
    total_steps: float | None = None
    error_message: str | None = None


class RunFacts(NamedTuple):
    """A row of `runs`: FSD-08's eight columns, then what flujo 0.6 has beside them."""

    run_id: str
    pipeline_name: str
    pipeline_version: str
    status: str
    start_time: str
    end_time: str | None
    total_cost: float | None
    final_context: str | None
    execution_time_ms: int | None
    memory_usage_mb: float | None
    total_steps: int | None
    error_message: str | None
    metadata: str | None
    """JSON, of the run's workflow state."""


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
    raw_response: str | None = None


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
    """Each call but `delete_run` is one transaction. May be called from any thread, and from
    several at once.

    Every method raises StoreUnavailable (retryable; the transaction wrote nothing) or
    ForeignDatabase; with `wait=False` WouldWait.
    """

    @property
    def states(self) -> StateLog:
        """The workflow states in the same database."""
        ...

    def save_run_start(self, start: RunStart, *, wait: bool = True) -> None:
        """Add the run, or begin it anew: its end is forgotten, its spans and steps stay.

        From then on no span changes its name, status or times but a root that was traced.
        """
        ...

    def save_run_end(self, run_id: str, end: RunEnd, *, wait: bool = True) -> None:
        """Note a run's end, as far as its own root does not say it; nothing where there is neither
        such a run nor a state of it."""
        ...

    def save_step_result(self, step: StepResult, *, wait: bool = True) -> None:
        """Add or replace the step; of one that was traced only what its span does not say."""
        ...

    def save_step_results(self, steps: Sequence[StepResult]) -> None:
        """The same for several, in one transaction."""
        ...

    def add_missing_steps(self, steps: Sequence[StepResult]) -> None:
        """The same, but only of steps that have no record, or whose span has not ended."""
        ...

    def replace_tree(self, run_id: str, tree: Batch, *, keep: bool = False) -> None:
        """Store `tree` in place of what was last stored for this run under the tree's scope, or
        (`keep`) beside it.

        It stands in for spans: nothing is stored where the run's own root is there, and it is gone
        as soon as that comes.
        """
        ...

    def run(self, run_id: str) -> RunFacts | None:
        """The run's row, with final_context; None where there is none."""
        ...

    def runs(
        self,
        status: str | None,
        pipeline_name: str | None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[RunFacts]:
        """Newest first, `limit` of them after the first `offset`, None: all; without final_context,
        which is None."""
        ...

    def steps(self, run_id: str) -> list[Sequence[Any]]:
        """FSD-08's columns of `steps` from step_name on, then raw_response; by step_index."""
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
        """Delete a run with all that belongs to it, a large one in portions; False where there was
        none."""
        ...

    def close(self) -> None:
        """Let go of the database; a later call opens it again."""
        ...
