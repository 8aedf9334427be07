"""What is running now: runs that are not over, with the spans that they have open."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from flujo_otel.model import Run, RunStatus, Span
from flujo_otel.spanstore.api import RunFilter, TraceReader
from flujo_otel.spanstore.changes import ChangeFeed

MOST_LIVING = 10_000
MOST_DIED = 1000
"""Of runs that died, which nobody ever clears away, only the newest are looked at one by one."""
MOST_OPEN_SPANS = 10_000
"""What died runs left open stays open too."""


class Activity(NamedTuple):
    """A run and its open spans, in order of start. A run that is over may have some left."""

    run: Run
    open_spans: Sequence[Span]

    @property
    def died(self) -> bool:
        """Its process is gone: what is open of it will never end."""
        return self.run.status is RunStatus.DIED


class Now(NamedTuple):
    """`living`: the oldest first. `died`: the latest first, without `died_earlier` older ones.

    `more_open_spans`, `more_living`: older ones that are open as well, and not looked at.
    """

    living: Sequence[Activity]
    died: Sequence[Activity]
    died_earlier: int
    more_open_spans: int
    more_living: int = 0


def running_now(
    reader: TraceReader,
    feed: ChangeFeed | None,
    *,
    started_until_ns: int | None = None,
    died_since_ns: int = 0,
) -> Now:
    """Runs and spans that are open and started no later than `started_until_ns` (None: all).

    `feed` None: there is no database of ours, only flujo's own. Of runs that died, those that were
    alive at `died_since_ns` or later, MOST_DIED at most.
    """
    spans, more_open_spans = _open_spans(feed, started_until_ns)
    runs = _Runs(reader, started_until_ns)
    runs.add_those_of(spans)
    found = [Activity(run, spans.get(run.run_id, ())) for run in runs.by_id.values()]
    died = [each for each in found if each.died]
    recent = [each for each in died if each.run.last_time_ns >= died_since_ns]
    return Now(
        living=sorted((e for e in found if not e.died), key=lambda e: e.run.start_time_ns),
        died=sorted(recent, key=lambda each: -each.run.last_time_ns),
        died_earlier=len(died) - len(recent) + runs.count_more_died(),
        more_open_spans=more_open_spans,
        more_living=runs.count_more_living(),
    )


class _Runs:
    """The newest runs that are not over, and how many older ones were not looked at."""

    def __init__(self, reader: TraceReader, started_until_ns: int | None) -> None:
        self._reader = reader
        self._running = RunFilter(RunStatus.RUNNING, until_ns=started_until_ns)
        self._died = RunFilter(RunStatus.DIED)
        living = reader.list_runs(self._running, MOST_LIVING)
        died = reader.list_runs(self._died, MOST_DIED)
        self._has_all_living = len(living) < MOST_LIVING
        self._has_all_died = len(died) < MOST_DIED
        self.by_id = {
            run.run_id: run
            for run in (*living, *died)
            if started_until_ns is None or run.start_time_ns <= started_until_ns
        }

    def add_those_of(self, run_ids: Iterable[str]) -> None:
        """Runs with open spans, which may be over themselves, unless their process is gone."""
        for run_id in set(run_ids) - self.by_id.keys():
            run = self._reader.get_run(run_id)
            if run is not None and not run.is_gone:
                self.by_id[run_id] = run

    def count_more_living(self) -> int:
        """How many more are running."""
        if self._has_all_living:
            return 0
        looked_at = sum(run.status is RunStatus.RUNNING for run in self.by_id.values())
        return max(self._reader.count_runs(self._running) - looked_at, 0)

    def count_more_died(self) -> int:
        """How many more died, whenever that was."""
        return 0 if self._has_all_died else self._reader.count_runs(self._died) - MOST_DIED


def _open_spans(feed: ChangeFeed | None, until_ns: int | None) -> tuple[dict[str, list[Span]], int]:
    """The newest by run, and how many more there are."""
    by_run: dict[str, list[Span]] = defaultdict(list)
    if feed is None:
        return by_run, 0
    newest = list(islice(feed.open_spans(until_ns), MOST_OPEN_SPANS))
    for span in reversed(newest):
        by_run[span.run_id].append(span)
    for spans in by_run.values():
        spans.sort(key=lambda span: span.start_time_ns)
    if len(newest) < MOST_OPEN_SPANS:
        return by_run, 0
    return by_run, max(feed.count_open_spans(until_ns) - len(newest), 0)
