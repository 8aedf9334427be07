"""The port for what flujo needs to go on with a run, and for the little else that it keeps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class WorkflowState(NamedTuple):
    """A row of `workflow_state`. Times as text as given; what flujo may leave out is None."""

    run_id: str
    pipeline_id: str
    pipeline_name: str
    pipeline_version: str
    current_step_index: int
    pipeline_context: str
    """JSON, as are last_step_output, step_history and metadata."""
    last_step_output: str | None
    step_history: str | None
    status: str
    created_at: str
    updated_at: str
    total_steps: int | None
    error_message: str | None
    execution_time_ms: int | None
    memory_usage_mb: float | None
    metadata: str | None
    is_background_task: bool
    parent_run_id: str | None
    task_id: str | None
    background_error: str | None


class StateTimes(NamedTuple):
    """When a state was made and last saved, in Unix nanoseconds."""

    created_at_ns: int
    updated_at_ns: int


class HistoryEntry(NamedTuple):
    """A step that a run's state has behind it."""

    step_index: int
    entry: str
    """JSON, as flujo wrote it."""
    ended_at_ns: int | None
    """When it had ended, where the state says so: of the last one, while the run goes on."""
    recorded_name: str | None
    """What the step's record calls it; None: it has none."""
    is_missing: bool
    """It has no record, or the one of a span that has not ended."""


class ShadowEvaluation(NamedTuple):
    """One of flujo's shadow evaluations; `metadata` is JSON, `created_at` UTC as SQLite has it."""

    run_id: str
    step_name: str | None
    score: float
    feedback: str | None
    metadata: str | None
    created_at: str


class NamedValue(NamedTuple):
    """What flujo keeps by name; `value` is JSON."""

    key: str
    value: str
    updated_at: str


class StateLog(Protocol):
    """Each call is one transaction but for `delete_states`, and committed when it returns. May be
    called from any thread.

    Every method raises StoreUnavailable (retryable; the transaction wrote nothing) or
    ForeignDatabase; with `wait=False` runlog.WouldWait.
    """

    def save_state(
        self,
        state: WorkflowState,
        times: StateTimes,
        history: Sequence[str],
        first: int = 0,
        *,
        wait: bool = True,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Add the state, or replace the one that this run had; says whether it did.

        `history`: its entries, each as JSON (`state.step_history` is not looked at); those before
        `first` are as they were when this was last called for the run. `is_wanted`: asked when all
        waiting is over; nothing is written where it says no.
        """
        ...

    def state(self, run_id: str) -> WorkflowState | None:
        """The run's state; where we have none, the one in flujo's own file."""
        ...

    def states(self) -> list[tuple[WorkflowState, StateTimes]]:
        """All states, newest first, without context, output and history (they are empty). Those in
        flujo's own file are among them, but for the runs that we have a state of."""
        ...

    def unrecorded(self, run_id: str) -> list[HistoryEntry]:
        """The whole history of our state of this run, where one of its steps has no record; else
        nothing, as where the run itself has none (a pipeline within a traced step)."""
        ...

    def delete_state(self, run_id: str, *, wait: bool = True) -> None:
        """Delete the run's state. One in flujo's own file stays there; it is not answered again."""
        ...

    def delete_states(self, created_before_ns: int) -> int:
        """Delete our states made before that, some in each transaction, and say how many."""
        ...

    def fail_stale_tasks(self, updated_before_ns: int, error: str, now: str, now_ns: int) -> int:
        """Mark background tasks as failed that run, but were last saved before that."""
        ...

    def add_evaluation(self, evaluation: ShadowEvaluation) -> None:
        """Keep one more; its run need not be here."""
        ...

    def evaluations(self, run_id: str | None, limit: int) -> Sequence[ShadowEvaluation]:
        """At most `limit` of this run's (None: of all runs), the newest first."""
        ...

    def set_value(self, value: NamedValue) -> None:
        """Add it, or replace the one of its key."""
        ...

    def value(self, key: str) -> NamedValue | None:
        """What was set last under `key`; None: nothing."""
        ...
