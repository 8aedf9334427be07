"""What a live view has to tell: of the changes, those that are a start or an end."""

import time
from collections.abc import Sequence
from typing import Final

from flujo_otel import process
from flujo_otel.model import Run, RunStatus
from flujo_otel.spanstore.changes import ChangeFeed, ChangeFilter, ChangePage, SpanChange
from flujo_otel_cli.follower import Follower
from flujo_otel_cli.moment import RunMoment, SpanMoment

_SECONDS_TO_A_DEATH: Final = 1.0
"""Between two looks whether the processes of running runs are still there."""
_RUNS_REMEMBERED: Final = 10_000
_SPANS_REMEMBERED: Final = 100_000


class SpanTail:
    """Spans that match `where`; with `since_ns`, none that was over before."""

    def __init__(self, where: ChangeFilter, since_ns: int | None) -> None:
        self._where = where
        self._since_ns = since_ns or 0
        self._first: int | None = None
        self._told: dict[str, None] = {}

    def next(self, follower: Follower) -> tuple[Sequence[SpanMoment], bool]:
        """What happened since the last call, and whether that is all for now."""
        changes, is_all = follower.next(self._page)
        return [SpanMoment(change) for change in sorted(changes, key=_happened_ns)], is_all

    def _page(self, feed: ChangeFeed, after: int) -> ChangePage[SpanChange]:
        self._first = after if self._first is None else min(self._first, after)
        page = feed.spans(after, self._where)
        return page._replace(items=[c for c in page.items if self._is_news(c, after)])

    def _is_news(self, change: SpanChange, after: int) -> bool:
        """A span that only moved to another run has neither started nor ended by that; but one that
        moved to the run that is followed was not seen before."""
        last_ns = change.span.end_time_ns or change.span.start_time_ns
        if last_ns < self._since_ns:
            return False
        if self._where.run is None:
            return change.content_seq > after
        return self._is_new_in_run(change, after)

    def _is_new_in_run(self, change: SpanChange, after: int) -> bool:
        known = change.span.span_id in self._told
        self._told[change.span.span_id] = None
        if len(self._told) > _SPANS_REMEMBERED:
            del self._told[next(iter(self._told))]
        assert self._first is not None
        return change.content_seq > after or (not known and change.content_seq > self._first)


def _happened_ns(change: SpanChange) -> int:
    """When what is told of it was; a change is stored in the order in which writers come."""
    end_ns = change.span.end_time_ns
    return change.span.start_time_ns if end_ns is None else end_ns


def _run_happened_ns(run: Run) -> int:
    died_ns = run.last_time_ns if run.status is RunStatus.DIED else run.start_time_ns
    return died_ns if run.end_time_ns is None else run.end_time_ns


class RunTail:
    """Runs that match `where`, and what became of those that were told of as running."""

    def __init__(self, where: ChangeFilter, since_ns: int | None) -> None:
        self._where = where
        self._since_ns = since_ns or 0
        self._known: dict[str, Run] = {}
        self._looked = time.monotonic()
        self._looked_ns = 0
        """When those that are known as running were last seen alive."""

    def next(self, follower: Follower) -> tuple[Sequence[RunMoment], bool]:
        """What happened since the last call, and whether that is all for now."""
        runs, is_all = follower.next(lambda feed, after: feed.runs(after))
        news = [run for run in runs if self._is_news(run)]
        if is_all:
            news += self._deaths()
        news.sort(key=_run_happened_ns)
        return [RunMoment(run) for run in news if self._where.status in (None, run.status)], is_all

    def _is_news(self, run: Run) -> bool:
        """Whether it is another status than it was known to have."""
        where = self._where
        if not run.run_id.startswith(where.run or "") or run.last_time_ns < self._since_ns:
            return False
        if where.name not in (None, run.pipeline_name):
            return False
        known = self._known.pop(run.run_id, None)
        # Running: whoever read that found its process alive.
        is_running = run.status is RunStatus.RUNNING
        self._known[run.run_id] = run._replace(last_time_ns=time.time_ns()) if is_running else run
        if len(self._known) > _RUNS_REMEMBERED:
            del self._known[next(iter(self._known))]
        return known is None or known.status is not run.status

    def _deaths(self) -> list[Run]:
        """Nobody writes down that a process is gone: it has to be asked."""
        if time.monotonic() - self._looked < _SECONDS_TO_A_DEATH:
            return []
        self._looked = time.monotonic()
        seen_alive_ns, self._looked_ns = self._looked_ns, time.time_ns()
        running = [run for run in self._known.values() if run.status is RunStatus.RUNNING]
        died = [
            run._replace(status=RunStatus.DIED, last_time_ns=max(run.last_time_ns, seen_alive_ns))
            for run in running
            if run.writer is not None and not process.is_alive(run.writer)
        ]
        self._known.update((run.run_id, run) for run in died)
        return died
