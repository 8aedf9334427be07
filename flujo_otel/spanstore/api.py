"""The ports of the span store. Writers and readers are separate; a backend implements both.

Every backend passes tests/conformance/. Times are Unix nanoseconds everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from flujo_otel.model import Batch, Loss, Process, Run, Span, Step
from flujo_otel.model.record import SpanRecord


class Rejected(NamedTuple):
    """A record that cannot be stored as it is, with the reason."""

    record: SpanRecord
    reason: str


class WriteResult(NamedTuple):
    """What became of a batch: all of it is stored but `rejected`."""

    rejected: Sequence[Rejected] = ()


class SpanWriter(Protocol):
    """One process's way in. Used by one thread at a time; which thread may change."""

    def write(self, batch: Batch) -> WriteResult:
        """Commit `batch`: when this returns, all of it but `rejected` survives SIGKILL.

        MUST be idempotent: key is trace id, span id, start time and kind; a running record never
        overwrites an ended one; a duplicate that changes nothing gets no new change number.
        MUST reject single records only, never the batch, for what is wrong with their data.
        Raises StoreUnavailable (retryable: give the same batch again; some of it may be written) or
        ForeignDatabase.
        """
        ...

    def count_losses(self, losses: Sequence[Loss]) -> None:
        """Add to the ledger. Raises StoreUnavailable."""
        ...

    def beat(self) -> None:
        """Note that this process is alive, once a second or so while it has spans open: of a run
        that dies it is then known how long it lived. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """Let go of the database; a later `write` opens it again. Safe in a fork's parent."""
        ...

    def interrupt(self) -> None:
        """From any thread: have a write under way, if there is one, give up with StoreUnavailable
        as soon as it can. No harm where there is none."""
        ...


ALL: Final = 2**31
"""As a limit: more than SQLite counts is none either."""


# NamedTuples: a dataclass takes 0.4 ms more to define, and `lens` starts for each look.
class RunFilter(NamedTuple):
    """Which runs to list; None: all.

    `outermost`: those alone that are not directly inside one for which the rest of this holds: each
    that matches is listed, or inside one that is. Of runs that are in each other the one that
    started first is.
    `still`: of ours, those alone in which nothing happened after their end. In one that is called
    paused something did where it went on, which flujo 0.4 tells its own file but no hook.
    `nested`: also what `TraceReader.nested_runs` speaks of, where it was handed in as a run.
    """

    status: str | None = None
    pipeline: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    still: bool = False
    nested: bool = False
    outermost: bool = False


class SpanFilter(NamedTuple):
    """Which spans of a run; None: all.

    `span_ids`: these (`Span.span_id`) alone. `plain_beneath`: those directly beneath these which
    are neither steps nor begin a run. `first`: of all that, so many at most, those that started
    first.
    """

    status: str | None = None
    name: str | None = None
    span_ids: tuple[str, ...] | None = None
    plain_beneath: tuple[str, ...] | None = None
    first: int | None = None


class SpanHints(NamedTuple):
    """What is known of spans that are looked for in many runs; None and () say nothing.

    `fragments`: pieces of ASCII text, each of which stands in the span's name, its status message,
    its attributes or its events, whatever the case of its letters. `least_ns`: it took as long, or
    has no end.
    """

    fragments: tuple[str, ...] = ()
    name: str | None = None
    status: str | None = None
    least_ns: int = 0


RESUMED_PART = "resumed"
"""What the part of a run after a pause is called; its span has the name of the run's first."""


class Root(NamedTuple):
    """The span that a run begins with, as far as what is around the run is told by it."""

    name: str
    span_id: str
    trace_id: str
    outer_run_id: str | None
    """The run that the span's parent belongs to, where that is another one."""
    resource: Mapping[str, Any]
    """The sender's: the attributes of its OTLP Resource."""


class InnerRun(NamedTuple):
    """A run that began in `outer_run_id`, in the trace `trace_id`; `status` as stored, the rest as
    of a Run."""

    run_id: str
    outer_run_id: str
    trace_id: str
    status: str
    total_cost_usd: float | None = None
    total_tokens: int | None = None
    unpriced_count: int = 0


@dataclass(frozen=True, slots=True)
class NameStatistics:
    """Ended spans of one name. Durations in nanoseconds."""

    name: str
    """`RESUMED_PART` for the parts that runs of flujo's went on with: they are not runs more."""
    count: int
    error_count: int
    mean_ns: float
    p50_ns: int
    p95_ns: int
    p99_ns: int
    total_ns: int
    buckets: Sequence[int]
    """Spans started in each of the window's equal parts, oldest first: the spark line."""
    tokens: int | None = None
    """What the spans of this name tell of, repeated by those above them or not."""
    cost_usd: float | None = None
    unpriced_count: int = 0
    """Spans with tokens whose cost nobody knows."""
    pipeline: str | None = None
    """Of `pipeline_run`, which every flujo pipeline's span is called, and of `RESUMED_PART`, whose
    they are; else None."""


class BacklogSize(NamedTuple):
    """Requests, and the spans in them, that a collector has committed as they came and not made
    rows of yet. `attendant`: the process that will; None where one is gone that had any of it, or
    lives and has another file: `elsewhere`, of which this one is a copy. `latest_id`: of the
    request that came last."""

    requests: int = 0
    spans: int = 0
    attendant: Process | None = None
    latest_id: int = 0
    elsewhere: Process | None = None


class TraceReader(Protocol):
    """The way out. Never creates or alters anything; holds no read transaction over a second.

    Raises StoreUnavailable for what may pass, DamagedDatabase for what does not.
    """

    def list_runs(self, where: RunFilter, limit: int) -> list[Run]:
        """The newest `limit` runs that match, newest first."""
        ...

    def count_runs(self, where: RunFilter) -> int:
        """How many `list_runs` would give without a limit."""
        ...

    def count_quickly(self, where: RunFilter, most: int) -> int | None:
        """The same; None: more than `most`, and to count them takes long, for which of 200,000 runs
        are inside others takes a second to find out."""
        ...

    def get_run(self, run_id: str) -> Run | None:
        """The run of exactly this id; None: there is none."""
        ...

    def known_runs(self, run_ids: Sequence[str]) -> set[str]:
        """Which of these runs there are; one query however many are asked for."""
        ...

    def nested_runs(self, run_ids: Sequence[str]) -> set[str]:
        """Which of these flujo counts as runs, but are pipelines in a step of a run that is here;
        one query however many are asked for."""
        ...

    def runs_with_prefix(self, prefix: str, limit: int) -> list[Run]:
        """Runs whose id starts with `prefix`, newest first."""
        ...

    def runs_of_trace(self, trace_id: str) -> list[Run]:
        """Runs that have spans in this OTel trace, newest first."""
        ...

    def roots(self, run_ids: Sequence[str]) -> dict[str, Root]:
        """What each of these runs begins with, by run id; a run without spans is left out. Takes as
        long as there are ids, however many spans their runs have."""
        ...

    def inner_runs(self, trace_ids: Sequence[str]) -> list[InnerRun]:
        """Of the runs in these traces those that began in another run."""
        ...

    def root_spans(self, of_runs: Iterable[Root]) -> dict[str, Span]:
        """The spans that these speak of, with all that is recorded of them, by run id."""
        ...

    def unique_prefixes(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many characters of each name it alone; it need not be here itself."""
        ...

    def spans(self, run_id: str, where: SpanFilter = ...) -> Iterator[Span]:
        """A run's spans in order of start (then of arrival), read in pages."""
        ...

    def count_spans(self, run_id: str, where: SpanFilter = ...) -> int:
        """How many `spans` would give; none of them is read for it."""
        ...

    def candidates(self, run_ids: Sequence[str], hints: SpanHints) -> Iterator[Span]:
        """The spans of these runs that `hints` fit, in no order, and perhaps others."""
        ...

    def steps(self, run_id: str) -> list[Step]:
        """A run's steps in order of step_index."""
        ...

    def statistics(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None, buckets: int
    ) -> list[NameStatistics]:
        """Per span name, of `pipeline_run` per pipeline too, over spans started in the window, most
        total time first."""
        ...

    def backlog(self, until_id: int | None = None) -> BacklogSize:
        """What is stored and no row yet, so that nothing else here tells of it; with `until_id`
        only what came no later than that."""
        ...

    def close(self) -> None: ...
