"""Statistics by span name, over spans held in memory: flujo's own files are small."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flujo_otel.spanstore.api import NameStatistics


class Ended(NamedTuple):
    """What statistics need of an ended span."""

    name: str
    failed: bool
    start_time_ns: int
    duration_ns: int
    pipeline: str | None = None
    """Of a run's root, which has the same name for every pipeline."""


def summarise(
    spans: Iterable[Ended], since_ns: int | None, until_ns: int | None, buckets: int
) -> list[NameStatistics]:
    """Per name over the spans started in [since, until], most total time first."""
    by_name: dict[tuple[str, str | None], list[Ended]] = defaultdict(list)
    for span in spans:
        after = since_ns is None or span.start_time_ns >= since_ns
        if after and (until_ns is None or span.start_time_ns <= until_ns):
            by_name[span.name, span.pipeline].append(span)
    starts = [span.start_time_ns for group in by_name.values() for span in group]
    if not starts:
        return []
    first = min(starts) if since_ns is None else since_ns
    last = max(starts) if until_ns is None else until_ns
    found = [_of_name(group, first, last, buckets) for group in by_name.values()]
    return sorted(found, key=lambda each: -each.total_ns)


def _of_name(spans: Sequence[Ended], first: int, last: int, buckets: int) -> NameStatistics:
    durations = sorted(span.duration_ns for span in spans)
    counts = [0] * buckets
    for span in spans:
        if buckets:
            part = (span.start_time_ns - first) * buckets // max(last - first, 1)
            counts[min(part, buckets - 1)] += 1
    return NameStatistics(
        name=spans[0].name,
        count=len(spans),
        error_count=sum(span.failed for span in spans),
        mean_ns=sum(durations) / len(durations),
        p50_ns=_percentile(durations, 50),
        p95_ns=_percentile(durations, 95),
        p99_ns=_percentile(durations, 99),
        total_ns=sum(durations),
        buckets=counts,
        pipeline=spans[0].pipeline,
    )


def _percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least `percent` of them do not exceed (nearest rank)."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
