"""Durations per span name, gathered page by page."""

from array import array
from dataclasses import dataclass, field
from typing import Final

from flujo_otel.spanstore.api import NameStatistics

_LONGEST_NS: Final = (1 << 63) - 1
"""A sender whose clock says 1970 at one end and the last time there is at the other exceeds it, by
what seconds in a float are rounded to."""


@dataclass(slots=True)
class _Name:
    buckets: list[int]
    durations_ns: "array[int]" = field(default_factory=lambda: array("q"))
    errors: int = 0
    usage: tuple[int | None, float | None, int] = (None, None, 0)


class NameTally:
    """Adds spans up over the window from `first` to `last` (seconds), cut into equal buckets."""

    def __init__(self, first: float, last: float, buckets: int) -> None:
        self._first = first
        self._bucket_seconds = max((last - first) / buckets, 1e-9)
        self._buckets = buckets
        self._names: dict[tuple[str, str | None], _Name] = {}

    def add(
        self, name: str, pipeline: str | None, start: float, seconds: float, failed: bool
    ) -> None:
        """One ended span."""
        known = self._names.get((name, pipeline))
        if known is None:
            known = self._names[name, pipeline] = _Name([0] * self._buckets)
        known.durations_ns.append(min(round(seconds * 1e9), _LONGEST_NS))
        known.errors += failed
        bucket = int((start - self._first) / self._bucket_seconds)
        known.buckets[min(max(bucket, 0), self._buckets - 1)] += 1

    def spend(
        self, name: str, pipeline: str | None, usage: tuple[int | None, float | None, int]
    ) -> None:
        """Tokens, cost in USD and the count of unpriced ones of all spans of a name."""
        if (name, pipeline) in self._names:
            self._names[name, pipeline].usage = usage

    def result(self) -> list[NameStatistics]:
        """Most total time first."""
        found = [_statistics(*key, known) for key, known in self._names.items()]
        return sorted(found, key=lambda row: (-row.total_ns, row.name, row.pipeline or ""))


def _statistics(name: str, pipeline: str | None, known: _Name) -> NameStatistics:
    durations = sorted(known.durations_ns)
    total = sum(durations)
    return NameStatistics(
        name=name,
        count=len(durations),
        error_count=known.errors,
        mean_ns=total / len(durations),
        p50_ns=_percentile(durations, 50),
        p95_ns=_percentile(durations, 95),
        p99_ns=_percentile(durations, 99),
        total_ns=total,
        buckets=known.buckets,
        tokens=known.usage[0],
        cost_usd=known.usage[1],
        unpriced_count=known.usage[2],
        pipeline=pipeline,
    )


def _percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank: the smallest value that `percent` of them do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
