"""What is running now: runs that are not over, with the spans that they have open."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from flujo_otel import process
from flujo_otel.model import Run, RunStatus, Span
from flujo_otel.spanstore.api import RunFilter, TraceReader
from flujo_otel.spanstore.changes import ChangeFeed

_ALL = 1 << 31


class Activity(NamedTuple):
    """A run and its open spans, in order of start. A run that is over may have some left."""

    run: Run
    open_spans: Sequence[Span]

    @property
    def died(self) -> bool:
        """Its process is gone: what is open of it will never end."""
        return self.run.status is RunStatus.DIED


class Now(NamedTuple):
    """`living`: the oldest first. `died`: the latest first, without `died_earlier` older ones."""

    living: Sequence[Activity]
    died: Sequence[Activity]
    died_earlier: int


def running_now(
    reader: TraceReader,
    feed: ChangeFeed | None,
    *,
    started_until_ns: int | None = None,
    died_since_ns: int = 0,
) -> Now:
    """Runs and spans that are open and started no later than `started_until_ns` (None: all).

    `feed` None: there is no database of ours, only flujo's own. Of runs that died, those that were
    alive at `died_since_ns` or later.
    """
    spans = _open_spans(feed, started_until_ns)
    runs = {
        run.run_id: run
        for status in (RunStatus.RUNNING, RunStatus.DIED)
        for run in reader.list_runs(RunFilter(status), _ALL)
        if started_until_ns is None or run.start_time_ns <= started_until_ns
    }
    for run_id in spans.keys() - runs.keys():
        run = reader.get_run(run_id)
        if run is not None and _has_process(run):
            runs[run_id] = run
    found = [Activity(run, spans.get(run.run_id, ())) for run in runs.values()]
    died = [each for each in found if each.died]
    recent = [each for each in died if each.run.last_time_ns >= died_since_ns]
    return Now(
        living=sorted((e for e in found if not e.died), key=lambda e: e.run.start_time_ns),
        died=sorted(recent, key=lambda each: -each.run.last_time_ns),
        died_earlier=len(died) - len(recent),
    )


def _open_spans(feed: ChangeFeed | None, until_ns: int | None) -> dict[str, list[Span]]:
    by_run: dict[str, list[Span]] = defaultdict(list)
    for span in feed.open_spans(until_ns) if feed is not None else ():
        by_run[span.run_id].append(span)
    for spans in by_run.values():
        spans.sort(key=lambda span: span.start_time_ns)
    return by_run


def _has_process(run: Run) -> bool:
    return run.writer is None or process.is_alive(run.writer)
