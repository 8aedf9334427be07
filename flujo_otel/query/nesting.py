"""Runs inside runs: a run whose first span hangs below a span of another that began in the same
OTel trace.

Each stays a run of its own. Whoever looks at the outer one sees those in it too, at any depth, in
their places in its tree.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from flujo_otel.model import Run, RunStatus, Span
from flujo_otel.spanstore.api import InnerRun, Root, TraceReader


class Nesting(NamedTuple):
    """What is around a run and in it. `inside`: at any depth, in order of start."""

    outer_run_id: str | None = None
    inside: Sequence[Run] = ()


class Inside(NamedTuple):
    """How many runs are inside one, at any depth, how many of them failed, and what they spent."""

    run_count: int = 0
    failed_count: int = 0
    total_cost_usd: float | None = None
    total_tokens: int | None = None
    unpriced_count: int = 0


def nesting_of(reader: TraceReader, run: Run) -> Nesting:
    """As far as the spans are there by now."""
    root = reader.roots([run.run_id]).get(run.run_id)
    if root is None:
        return Nesting()
    within = _within(reader.inner_runs([root.trace_id]))
    found = {each.run_id for each in _below(run.run_id, root.trace_id, within)}
    runs = reader.runs_of_trace(root.trace_id) if found else []
    inside = [each for each in runs if each.run_id in found]
    return Nesting(root.outer_run_id, sorted(inside, key=attrgetter("start_time_ns")))


def insides(reader: TraceReader, roots: Mapping[str, Root]) -> dict[str, Inside]:
    """What is inside the runs that begin with these, by run id; those with nothing in them are left
    out. The store is asked once, however many they are."""
    within = _within(reader.inner_runs(list({root.trace_id for root in roots.values()})))
    found: dict[str, Inside] = {}
    for run_id, root in roots.items():
        below = _below(run_id, root.trace_id, within)
        if below:
            found[run_id] = _sum(below)
    return found


def _sum(runs: Sequence[InnerRun]) -> Inside:
    costs = [run.total_cost_usd for run in runs if run.total_cost_usd is not None]
    tokens = [run.total_tokens for run in runs if run.total_tokens is not None]
    return Inside(
        run_count=len(runs),
        failed_count=sum(run.status == RunStatus.FAILED for run in runs),
        total_cost_usd=sum(costs) if costs else None,
        total_tokens=sum(tokens) if tokens else None,
        unpriced_count=sum(run.unpriced_count for run in runs),
    )


_Within = Mapping[tuple[str, str], Sequence[InnerRun]]
"""What is directly within a run in a trace, by both ids."""


def _within(inner: Iterable[InnerRun]) -> _Within:
    found: dict[tuple[str, str], list[InnerRun]] = {}
    for each in inner:
        found.setdefault((each.trace_id, each.outer_run_id), []).append(each)
    return found


def _below(run_id: str, trace_id: str, within: _Within) -> list[InnerRun]:
    found: dict[str, InnerRun] = {}
    waiting = [run_id]
    while waiting:
        for each in within.get((trace_id, waiting.pop()), ()):
            if each.run_id not in found and each.run_id != run_id:  # two may be in each other
                found[each.run_id] = each
                waiting.append(each.run_id)
    return list(found.values())


def outermost(
    reader: TraceReader, run: Run, is_wanted: Callable[[Run], bool] = lambda _: True
) -> Run:
    """The last that `is_wanted` of the runs around `run`, from inside out; else `run` itself."""
    passed = {run.run_id}
    while True:
        root = reader.roots([run.run_id]).get(run.run_id)
        if root is None or root.outer_run_id is None or root.outer_run_id in passed:
            return run
        outer = reader.get_run(root.outer_run_id)
        if outer is None or not is_wanted(outer):
            return run
        passed.add(outer.run_id)
        run = outer


def in_no_other(reader: TraceReader, runs: list[Run]) -> list[Run]:
    """Those of `runs` that are in no other run."""
    roots = reader.roots([run.run_id for run in runs])
    inner = {run_id for run_id, root in roots.items() if root.outer_run_id is not None}
    return [run for run in runs if run.run_id not in inner]


def spans_with(reader: TraceReader, run: Run, inside: Sequence[Run]) -> list[Span]:
    """The spans of `run` and of the runs inside it, in order of start."""
    spans = list(reader.spans(run.run_id))
    for each in inside:
        spans += reader.spans(each.run_id)
    if inside:
        spans.sort(key=attrgetter("start_time_ns"))
    return spans
