"""How a flujo version laid its tables out, as the SQL that reads every version alike.

Found by the columns, not by a version number: 0.4 has none in its file, and 0.6 adds some of its
columns only when it first opens a file.
"""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """SELECT statements; each `{where}` and such is filled in by the reader."""

    run_start: str
    """The column of `runs` that holds the start as ISO text; it is indexed in both versions."""
    runs: str
    steps: str
    durations: str


def layout_of(connection: sqlite3.Connection) -> Layout:
    """The layout of the file behind `connection`."""
    tables = {
        table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        for table in ("runs", "steps", "workflow_state")
    }
    run_start = _first(tables["runs"], "start_time", "created_at")
    return Layout(
        run_start=run_start,
        runs=_runs(tables["runs"], tables["steps"], tables["workflow_state"], run_start),
        steps=_steps(tables["steps"]),
        durations=_durations(run_start),
    )


def _first(columns: list[str], *names: str) -> str:
    return next((name for name in names if name in columns), "NULL")


def _present(columns: list[str], *names: str) -> str:
    """The first of these columns that is not NULL in a row."""
    return f"COALESCE({', '.join([n for n in names if n in columns] or ['NULL'])}, NULL)"


def _runs(runs: list[str], steps: list[str], states: list[str], run_start: str) -> str:
    """The limit works on `runs` alone: the sub-selects then run for the chosen rows only."""
    cost, tokens = _first(steps, "cost", "cost_usd"), _first(steps, "tokens", "token_counts")
    context = (
        "(SELECT pipeline_context FROM workflow_state w WHERE w.run_id = r.run_id)"
        if "pipeline_context" in states
        else "NULL"
    )
    return f"""
        SELECT run_id, pipeline_name, pipeline_version, status, {run_start},
            {_present(runs, "end_time", "updated_at")},
            COALESCE(
                {_present(runs, "total_cost")},
                (SELECT SUM({cost}) FROM steps s WHERE s.run_id = r.run_id),
                {_span_sum("flujo.budget.actual_cost_usd")}
            ),
            COALESCE(
                (SELECT SUM({tokens}) FROM steps s WHERE s.run_id = r.run_id),
                {_span_sum("flujo.budget.actual_tokens")}
            ),
            COALESCE({_present(runs, "final_context_blob")}, {context}),
            (SELECT COUNT(*) FROM spans p WHERE p.run_id = r.run_id),
            (SELECT COUNT(*) FROM spans p WHERE p.run_id = r.run_id AND (
                p.status = 'failed'
                OR r.status = 'failed' AND p.status = 'running' AND p.parent_span_id IS NULL)),
            (SELECT MAX(COALESCE(end_time, start_time)) - MIN(start_time)
                FROM spans p WHERE p.run_id = r.run_id)
        FROM (SELECT * FROM runs WHERE {{where}} ORDER BY {run_start} DESC LIMIT ?) r
        ORDER BY {run_start} DESC
    """


def _span_sum(attribute: str) -> str:
    # One attribute that is no JSON would otherwise fail the whole statement.
    return f"""(SELECT SUM(json_extract(attributes, '$."{attribute}"'))
        FROM spans p WHERE p.run_id = r.run_id AND json_valid(attributes))"""


def _steps(steps: list[str]) -> str:
    step_run_id = _first(steps, "step_run_id")
    return f"""
        SELECT COALESCE({step_run_id}, run_id || ':' || step_index), run_id, step_name, step_index,
            status, {_first(steps, "start_time", "created_at")},
            {_first(steps, "end_time", "created_at")},
            {_first(steps, "duration_ms", "execution_time_ms")},
            {_first(steps, "cost", "cost_usd")}, {_first(steps, "tokens", "token_counts")},
            {_first(steps, "input_blob")}, {_first(steps, "output_blob", "output")},
            {_first(steps, "error_blob")}
        FROM steps WHERE run_id = ? ORDER BY step_index, rowid
    """


def _durations(run_start: str) -> str:
    """Ended spans with their run's start and first span, which a monotonic clock needs."""
    return f"""
        SELECT s.name, s.status, s.start_time, s.end_time, r.start, r.first, r.pipeline_name
        FROM (
            SELECT run_id, pipeline_name, {run_start} AS start,
                (SELECT MIN(start_time) FROM spans p WHERE p.run_id = runs.run_id) AS first
            FROM runs WHERE {{where}}
        ) r JOIN spans s ON s.run_id = r.run_id
        WHERE s.end_time IS NOT NULL
    """


SPANS = """
    SELECT span_id, parent_span_id, name, start_time, end_time, status, attributes
    FROM spans WHERE run_id = ? ORDER BY start_time, rowid
"""
