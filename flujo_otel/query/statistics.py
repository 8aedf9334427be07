"""Per span name: how many, how long, when."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from flujo_otel.spanstore.api import NameStatistics, TraceReader

BUCKETS = 12
_HOUR_NS = 3_600_000_000_000


class Sort(StrEnum):
    """What the rows are ordered by; all but `name` largest first."""

    TOTAL = "total"
    COUNT = "count"
    ERRORS = "errors"
    MEAN = "mean"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    TOKENS = "tokens"
    COST = "cost"
    NAME = "name"


_KEYS: dict[Sort, Callable[[NameStatistics], float]] = {
    Sort.TOTAL: lambda row: row.total_ns,
    Sort.COUNT: lambda row: row.count,
    Sort.ERRORS: lambda row: row.error_count,
    Sort.MEAN: lambda row: row.mean_ns,
    Sort.P50: lambda row: row.p50_ns,
    Sort.P95: lambda row: row.p95_ns,
    Sort.P99: lambda row: row.p99_ns,
    Sort.TOKENS: lambda row: row.tokens or 0,
    Sort.COST: lambda row: row.cost_usd or 0,
}


def statistics(
    reader: TraceReader, *, pipeline: str | None, hours: float, sort: Sort, now_ns: int
) -> Sequence[NameStatistics]:
    """Rows over the spans started in the last `hours`, in the order asked for."""
    since_ns = now_ns - int(hours * _HOUR_NS)
    rows = reader.statistics(pipeline, since_ns, now_ns, BUCKETS)
    if sort is Sort.NAME:
        return sorted(rows, key=lambda row: (row.name, row.pipeline or ""))
    return sorted(rows, key=_KEYS[sort], reverse=True)
