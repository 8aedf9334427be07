"""Our runs and flujo's own as one; a run in both is shown once, from ours.

A pipeline in a step is a run to flujo, which lists it as one; to us it is a part of the outer run.
So it is not listed where that run is ours, but found by its id.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from flujo_otel.model import Run, Span, Step
from flujo_otel.spanstore.api import (
    BacklogSize,
    InnerRun,
    NameStatistics,
    Root,
    RunFilter,
    SpanFilter,
    SpanHints,
    TraceReader,
)
from flujo_otel.spanstore.flujo.reader import FlujoReader

_EVERYTHING = SpanFilter()


class MergedReader:
    """A TraceReader over two. Every limit is pushed down to each of them."""

    def __init__(self, ours: TraceReader, flujo: FlujoReader) -> None:
        self._ours = ours
        self._flujo = flujo

    def list_runs(self, where: RunFilter, limit: int) -> list[Run]:
        return self._newest(
            self._ours.list_runs(where, limit),
            lambda count: self._flujo.list_runs(where, count),
            self._told,
            limit,
        )

    def count_runs(self, where: RunFilter) -> int:
        return self._ours.count_runs(where) + self._count_others(where)

    def count_quickly(self, where: RunFilter, most: int) -> int | None:
        count = self._ours.count_quickly(where, most)
        return None if count is None else count + self._count_others(where)

    def known_runs(self, run_ids: Sequence[str]) -> set[str]:
        return self._ours.known_runs(run_ids) | self._flujo.known_runs(run_ids)

    def nested_runs(self, run_ids: Sequence[str]) -> set[str]:
        return self._ours.nested_runs(run_ids)

    def get_run(self, run_id: str) -> Run | None:
        return self._ours.get_run(run_id) or self._flujo.get_run(run_id)

    def runs_with_prefix(self, prefix: str, limit: int) -> list[Run]:
        return self._newest(
            self._ours.runs_with_prefix(prefix, limit),
            lambda count: self._flujo.runs_with_prefix(prefix, count),
            self._ours.known_runs,
            limit,
        )

    def runs_of_trace(self, trace_id: str) -> list[Run]:
        return self._ours.runs_of_trace(trace_id)

    def roots(self, run_ids: Sequence[str]) -> dict[str, Root]:
        return self._ours.roots(run_ids)

    def inner_runs(self, trace_ids: Sequence[str]) -> list[InnerRun]:
        return self._ours.inner_runs(trace_ids)

    def root_spans(self, of_runs: Iterable[Root]) -> dict[str, Span]:
        return self._ours.root_spans(of_runs)

    def unique_prefixes(self, run_ids: Sequence[str]) -> dict[str, int]:
        ours, of_flujo = (r.unique_prefixes(run_ids) for r in (self._ours, self._flujo))
        return {run_id: max(ours[run_id], of_flujo[run_id]) for run_id in run_ids}

    def spans(self, run_id: str, where: SpanFilter = _EVERYTHING) -> Iterator[Span]:
        return self._holder(run_id).spans(run_id, where)

    def count_spans(self, run_id: str, where: SpanFilter = _EVERYTHING) -> int:
        return self._holder(run_id).count_spans(run_id, where)

    def candidates(self, run_ids: Sequence[str], hints: SpanHints) -> Iterator[Span]:
        ours = self._ours.known_runs(run_ids)
        yield from self._ours.candidates([each for each in run_ids if each in ours], hints)
        yield from self._flujo.candidates([each for each in run_ids if each not in ours], hints)

    def steps(self, run_id: str) -> list[Step]:
        return self._holder(run_id).steps(run_id)

    def statistics(
        self, pipeline: str | None, since_ns: int | None, until_ns: int | None, buckets: int
    ) -> list[NameStatistics]:
        """Of our own spans: percentiles of two files cannot be merged, and what flujo kept of a run
        that is in both would count twice."""
        return self._ours.statistics(pipeline, since_ns, until_ns, buckets)

    def backlog(self, until_id: int | None = None) -> BacklogSize:
        return self._ours.backlog(until_id)

    def close(self) -> None:
        self._ours.close()
        self._flujo.close()

    def _holder(self, run_id: str) -> TraceReader:
        return self._ours if self._ours.known_runs([run_id]) else self._flujo

    def _count_others(self, where: RunFilter) -> int:
        # A run of ours may have another status in flujo's file; so its filter does not matter.
        of_flujo = self._flujo.run_ids(where)
        return len(set(of_flujo) - self._told(of_flujo))

    def _told(self, run_ids: Sequence[str]) -> set[str]:
        """Those of flujo's that ours tell of, as runs or as parts of runs."""
        known = self._ours.known_runs(run_ids)
        return known | self._ours.nested_runs([each for each in run_ids if each not in known])

    @staticmethod
    def _newest(
        ours: list[Run],
        of_flujo: Callable[[int], list[Run]],
        told: Callable[[Sequence[str]], set[str]],
        limit: int,
    ) -> list[Run]:
        """The newest `limit` of ours and those of flujo's that are not `told` by ours as well.

        Ours hide some of flujo's; more of those are asked for until they can tell nothing new.
        """
        count = limit
        while True:
            found = of_flujo(count)
            hidden = told([run.run_id for run in found])
            others = [run for run in found if run.run_id not in hidden]
            oldest_of_ours = ours[-1].start_time_ns if ours and len(ours) == limit else None
            if (
                len(others) >= limit
                or len(found) < count
                or (oldest_of_ours is not None and found[-1].start_time_ns < oldest_of_ours)
            ):
                merged = sorted([*ours, *others], key=attrgetter("start_time_ns"), reverse=True)
                return merged[:limit]
            count *= 4
