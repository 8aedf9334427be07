"""What runs begin with and which run that is in, in SQL."""

from typing import Final


def of_root(run: str, what: str) -> str:
    """`what`, which is never NULL, of the span `c` that `run`, a row of runs, begins with.

    A run starts when its root does, and the index of start times finds that among a million spans.
    A run whose row was handed in has a start of its own: there the root has to be looked for.
    """
    at_its_start = f"""
        SELECT {what} FROM spans c
        WHERE c.start_time = {run}.start_time_ns / 1e9
            AND +c.run_id = {run}.run_id
            AND c.start_time_ns = {run}.start_time_ns
    """
    # One by one, and not sorted by role: two look-ups for a run instead of a sorter.
    return f"""COALESCE(
        ({at_its_start} AND c.role & 2 ORDER BY c.rowid LIMIT 1),
        ({at_its_start} ORDER BY c.rowid LIMIT 1),
        (SELECT {what} FROM spans c WHERE c.run_id = {run}.run_id AND c.role & 2 LIMIT 1)
    )"""


def trace_of(run: str) -> str:
    """The trace that `run`, a row of runs, began in: its row has that of its latest root."""
    return f"""
        CASE WHEN {run}.root_start_ns = {run}.start_time_ns THEN {run}.trace_id
        ELSE {of_root(run, "c.trace_id")} END
    """


def around(run: str) -> str:
    """The id of the run that the root of `run`, a row of runs, hangs below, perhaps its own; '':
    there is none."""
    parent = "p.span_id = c.parent_span_id AND +p.trace_id = c.trace_id"
    return of_root(run, f"IFNULL((SELECT p.run_id FROM spans p WHERE {parent}), '')")


ROOTS: Final = f"""
    SELECT r.run_id, s.name, s.span_id, s.trace_id, NULLIF(p.run_id, r.run_id), x.attributes
    FROM json_each(?) j
    CROSS JOIN runs r ON r.run_id = j.value
    CROSS JOIN spans s ON s.rowid = {of_root("r", "c.rowid")}
    LEFT JOIN spans p ON p.span_id = s.parent_span_id AND p.trace_id = s.trace_id
    LEFT JOIN resources x ON x.resource_id = s.resource_id
"""

RUNS_IN_TRACES: Final = """
    WITH asked(trace_id) AS (SELECT value FROM json_each(?))
    SELECT t.run_id FROM asked CROSS JOIN run_traces t USING (trace_id)
    UNION SELECT trace_id FROM asked
"""
"""A trace without a name for its run is one itself, where that is there."""

INNER_RUNS: Final = f"""
    SELECT r.run_id, p.run_id, s.trace_id, r.status, r.total_cost, r.total_tokens, r.unpriced_count
    FROM json_each(?) j
    CROSS JOIN runs r ON r.run_id = j.value
    CROSS JOIN spans s ON s.rowid = {of_root("r", "c.rowid")}
    CROSS JOIN spans p ON p.span_id = s.parent_span_id
    WHERE p.trace_id = s.trace_id AND p.run_id <> r.run_id
"""

A_SHARED_TRACE: Final = """
    SELECT 1 FROM (SELECT 1 FROM run_traces GROUP BY trace_id HAVING COUNT(*) > 1)
    UNION ALL
    SELECT 1 FROM run_traces t CROSS JOIN runs r ON r.run_id = t.trace_id
    LIMIT 1
"""
"""By two runs, without which none is inside another. 200,000 traces of one take 0.1 s."""

_LATER: Final = "({one}.start_time_ns, {one}.run_id) > (runs.start_time_ns, runs.run_id)"


def is_inside(matching: str) -> str:
    """Whether a row of runs is inside the row `o` of runs, for which `matching` holds.

    Of runs that are in each other the one that started first is inside none: else none would be in
    sight. What started before the run that it hangs below (by two clocks, or in such a ring) is
    looked at for that: up from there, as long as what is around started later than the run.
    """
    return f"""EXISTS (
        SELECT 1 FROM runs o
        WHERE o.run_id = {around("runs")}
            AND o.run_id <> runs.run_id
            AND {matching}
            AND {trace_of("o")} = {trace_of("runs")}
            AND NOT (
                {_LATER.format(one="o")}
                AND runs.run_id IN (
                    WITH RECURSIVE outwards(run_id) AS (
                        SELECT o.run_id
                        UNION
                        SELECT {around("x")} FROM outwards CROSS JOIN runs x USING (run_id)
                        WHERE {_LATER.format(one="x")}
                    )
                    SELECT run_id FROM outwards
                )
            )
    )"""
