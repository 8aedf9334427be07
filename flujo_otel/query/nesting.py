"""Runs inside runs: a run whose first span hangs below a span of another, in one OTel trace.

Each stays a run of its own. Whoever looks at the outer one sees those in it too, at any depth, in
their places in its tree.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from flujo_otel.model import Run, Span
from flujo_otel.spanstore.api import RunFilter, TraceReader

_FIRST_PAGE = 16


class Nesting(NamedTuple):
    """What is around a run and in it. `inside`: at any depth, in order of start."""

    outer_run_id: str | None = None
    inside: Sequence[Run] = ()


def nesting_of(reader: TraceReader, run: Run) -> Nesting:
    """As far as the spans are there by now."""
    root = reader.roots([run.run_id]).get(run.run_id)
    if root is None:
        return Nesting()
    others = {
        other.run_id: other
        for other in reader.runs_of_trace(root.trace_id)
        if other.run_id != run.run_id
    }
    inside: dict[str, list[Run]] = defaultdict(list)
    for run_id, its_root in reader.roots(list(others)).items():
        if its_root.outer_run_id is not None:
            inside[its_root.outer_run_id].append(others[run_id])
    return Nesting(root.outer_run_id, _below(run.run_id, inside))


def _below(run_id: str, inside: dict[str, list[Run]]) -> list[Run]:
    found: dict[str, Run] = {}
    waiting = [run_id]
    while waiting:
        for run in inside.get(waiting.pop(), ()):
            if run.run_id not in found and run.run_id != run_id:  # two may be in each other
                found[run.run_id] = run
                waiting.append(run.run_id)
    return sorted(found.values(), key=attrgetter("start_time_ns"))


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


def newest_outermost(reader: TraceReader, count: int) -> list[Run]:
    """The newest runs that are in no other; where all are, the newest."""
    limit = max(_FIRST_PAGE, count)
    while True:
        runs = reader.list_runs(RunFilter(), limit)
        free = in_no_other(reader, runs)
        if len(free) >= count or len(runs) < limit:
            return (free or runs)[:count]
        limit *= 8


def spans_with(reader: TraceReader, run: Run, inside: Sequence[Run]) -> list[Span]:
    """The spans of `run` and of the runs inside it, in order of start."""
    spans = list(reader.spans(run.run_id))
    for each in inside:
        spans += reader.spans(each.run_id)
    if inside:
        spans.sort(key=attrgetter("start_time_ns"))
    return spans
