"""Which runs a filter selects, in SQL."""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.model import RunStatus
from flujo_otel.semconv import flujo
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.sqlite.roots import is_inside

_OF_GONE: Final = "{runs}.writer_id IN (SELECT value FROM json_each(?))"
_OF_OTHERS: Final = (
    "({runs}.writer_id IS NULL OR {runs}.writer_id NOT IN (SELECT value FROM json_each(?)))"
)
_NESTED: Final = f"""
    SELECT json_extract(attributes, '$."{flujo.NESTED_RUN_ID}"') AS nested_run_id
    FROM spans
    WHERE name = '{flujo.PIPELINE_RUN}' AND parent_span_id IS NOT NULL AND json_valid(attributes)
        AND nested_run_id IN ({{of_these}})
"""
HANDED_IN: Final = "SELECT run_id FROM trees"
# 100,000 such spans take 0.03 s, and more where their attributes are large. SQLite looks once, when
# it comes to the first run that was handed in.
_IS_NESTED: Final = (
    f"{{runs}}.run_id IN ({HANDED_IN})"
    f" AND {{runs}}.run_id IN ({_NESTED.format(of_these=HANDED_IN)})"
)
NESTED_RUNS: Final = f"""
    SELECT DISTINCT nested_run_id FROM (
        {_NESTED.format(of_these="SELECT value FROM json_each(?)")} ORDER BY rowid DESC LIMIT -1
    ) LIMIT ?
"""
"""Of these ids, so many: from the newest span on, until all are found. The inner LIMIT keeps SQLite
from leaving out the order."""


class Selection(NamedTuple):
    """A condition on `runs`, and its values."""

    condition: str
    values: Sequence[Any] = ()

    def within(self, condition: str, values: Sequence[Any]) -> "Selection":
        """Those of it for which this holds, too."""
        return Selection(f"{self.condition} AND {condition}", (*self.values, *values))

    def without(self, run_ids: Collection[str]) -> "Selection":
        """But for these."""
        these = "runs.run_id NOT IN (SELECT value FROM json_each(?))"
        return self.within(these, (json.dumps(list(run_ids)),)) if run_ids else self


def selection_of(where: RunFilter, gone_writers: Callable[[], Sequence[int]]) -> Selection:
    """`gone_writers`: those that left a run open and whose process is gone."""
    # By their writers, of which there are few, and not row by row: died runs stay for ever.
    is_open = where.status in (RunStatus.RUNNING, RunStatus.DIED)
    gone = json.dumps(list(gone_writers())) if is_open else None
    selected = _matching("runs", where, gone)
    if not where.outermost:
        return selected
    outer = _matching("o", where, gone)
    return selected.within(f"NOT {is_inside(outer.condition)}", outer.values)


def _matching(runs: str, where: RunFilter, gone: str | None) -> Selection:
    """For the rows that the query calls `runs`."""
    conditions = ["TRUE"]
    values: list[Any] = []
    for condition, value in (
        ("status = ?", "running" if where.status == RunStatus.DIED else where.status),
        ("pipeline_name = ?", where.pipeline),
        ("start_time_ns >= ?", where.since_ns),
        ("start_time_ns <= ?", where.until_ns),
    ):
        if value is not None:
            conditions.append(f"{runs}.{condition}")
            values.append(value)
    if where.still:
        conditions.append(f"{runs}.last_time_ns <= {runs}.end_time_ns")
    if not where.nested:
        conditions.append(f"NOT ({_IS_NESTED.format(runs=runs)})")
    if gone is not None:
        of = _OF_GONE if where.status == RunStatus.DIED else _OF_OTHERS
        conditions.append(of.format(runs=runs))
        values.append(gone)
    return Selection(" AND ".join(conditions), values)
