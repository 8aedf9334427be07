"""What is said of a run wherever one is named: its status, its age, how long it took."""

import shlex
from collections.abc import Sequence
from typing import Protocol

from flujo_otel.errors import AmbiguousRun, NoSuchRun
from flujo_otel.model import Run, RunStatus
from flujo_otel.query.resolve import LAST, PREVIOUS, resolve
from flujo_otel.query.resume import Wait
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import Root, TraceReader
from flujo_otel_cli import amounts
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.nearest import did_you_mean, nearest
from flujo_otel_cli.pipelines import pipeline_names
from flujo_otel_cli.problem import Exit, Problem, first_trace
from flujo_otel_cli.text import brief, escape, head
from flujo_otel_cli.theme import STYLES, Theme
from flujo_otel_cli.times import ago, duration

ID_WIDTH = 8
"""An id is shown with so many characters, or with as many as it takes to be unique."""


def find_run(reader: TraceReader, name: str, now_ns: int, db: str | None) -> Run:
    """The run that `name` names. Raises Problem with the near ids, or the candidates.

    `db`: what --db named.
    """
    try:
        return resolve(reader, name)
    except NoSuchRun as error:
        raise _unknown(reader, error, now_ns, db) from error
    except AmbiguousRun as error:
        named = [_named(reader, run_id, now_ns) for run_id in error.candidates]
        raise Problem(
            Exit.NOT_FOUND,
            "ambiguous_run",
            f"{escape(name)} names {len(named)} runs:",
            named,
            {"candidates": list(error.candidates)},
        ) from error


def _unknown(reader: TraceReader, error: NoSuchRun, now_ns: int, db: str | None) -> Problem:
    hints = [_named(reader, run_id, now_ns) for run_id in error.near]
    name = error.run_id
    message = f"No run {escape(name)!r} here.{did_you_mean(name, (LAST, PREVIOUS))}"
    if error.run_id in (LAST, PREVIOUS):
        message = "There is no run before this one:" if hints else "No runs here yet."
        hints = hints or [first_trace(db)[0]]
    elif hints:
        message += " Near it:"
    elif pipeline := nearest(name, pipeline_names(reader)):
        of_it = hint("list", "--pipeline", pipeline, db=db)
        hints = [f"The runs of the pipeline {brief(pipeline, 80)}:  {of_it}"]
    else:
        hints = [f"All there are:  {hint('list', db=db)}"]
    return Problem(Exit.NOT_FOUND, "no_such_run", message, hints, {"near": list(error.near)})


def _named(reader: TraceReader, run_id: str, now_ns: int) -> str:
    run = reader.get_run(run_id)
    about = f"  {title(run)}  {ago(run.start_time_ns, now_ns)}" if run else ""
    return short_id(reader, run_id) + about


class Spender(Protocol):
    """A run, or several."""

    @property
    def total_cost_usd(self) -> float | None: ...

    @property
    def unpriced_count(self) -> int: ...


def spent(*runs: Spender) -> str | None:
    """What they cost together: `$0.013`, `$0.013+` where some of it is not known."""
    known = [run.total_cost_usd for run in runs if run.total_cost_usd is not None]
    return amounts.cost(sum(known), at_least=any(run.unpriced_count for run in runs))


def short_id(reader: TraceReader, run_id: str) -> str:
    return escape(run_id[: max(ID_WIDTH, reader.unique_prefixes([run_id])[run_id])])


def short_name(run_id: str, unique: int) -> str:
    """What to type for a run whose first `unique` characters name it alone."""
    return run_id[: max(unique, ID_WIDTH if run_id.startswith("run_") else 4)]


def title(run: Run) -> str:
    """Its pipeline's name and version; `latest` is no version that says anything."""
    version = "" if run.pipeline_version in ("", "latest") else f" {run.pipeline_version}"
    return brief(f"{run.pipeline_name}{version}") or "(no name)"


def began_with(run: Run, root: Root) -> str:
    """Its root span's name, where the run is called otherwise: after its service."""
    return "" if root.name in (PIPELINE_RUN, run.pipeline_name) else brief(root.name, 80)


def status_line(status: str, theme: Theme) -> Line:
    return [Piece(f"{theme.mark(status)} {escape(status)}", STYLES.get(status, ""))]


def has_no_end(status: str, end_ns: int | None) -> bool:
    """Over, but nobody says since when: as handed in, not traced."""
    return end_ns is None and status in (RunStatus.COMPLETED, RunStatus.FAILED)


def took(run: Run, now_ns: int, theme: Theme) -> str:
    """How long it took, as `lasted` says it."""
    if has_no_end(run.status, run.end_time_ns):
        return theme.none
    return lasted(run, run.start_time_ns, run.end_time_ns, now_ns, theme)


def lasted(run: Run, start_ns: int, end_ns: int | None, now_ns: int, theme: Theme) -> str:
    """Of `run` or a part of it: `4.21 s`; `1:04 …` while it runs, `9.1 s+` where it died.

    `+`: at least that long, for `run.last_time_ns` is when it was last seen alive.
    """
    if end_ns is not None:
        return duration(end_ns - start_ns, theme.micro)
    if run.is_gone:
        return duration(max(run.last_time_ns - start_ns, 0), theme.micro) + "+"
    return f"{duration(now_ns - start_ns, theme.micro)} {theme.ellipsis}"


def waited(waits: Sequence[Wait], micro: str) -> str:
    """`waited 5.01 s for a human`: all of `waits` together."""
    return f"waited {duration(sum(w.length_ns for w in waits), micro)} for a human"


def waiting_since(run: Run) -> int | None:
    """When it paused; None where it is not paused, or has gone on since, which flujo 0.4 does not
    tell a hook."""
    is_paused = run.status is RunStatus.PAUSED and run.last_time_ns <= (run.end_time_ns or 0)
    return run.end_time_ns if is_paused else None


def waiting(run: Run, now_ns: int, theme: Theme) -> str:
    """`waiting 3:04 for a human`; "" where it does not."""
    since_ns = waiting_since(run)
    if since_ns is None:
        return ""
    return f"waiting {duration(max(now_ns - since_ns, 0), theme.micro)} for a human"


def status_within(run: Run, status: str, end_ns: int | None) -> str:
    """A span's or step's status: what was still open in a process that is gone died with it."""
    is_open = end_ns is None and not has_no_end(status, end_ns)
    return RunStatus.DIED if is_open and run.is_gone else status


def end_of(run: Run, now_ns: int) -> int:
    """Its end, or the latest that is known of it."""
    if run.end_time_ns is not None:
        return run.end_time_ns
    is_over = run.status is RunStatus.DIED or has_no_end(run.status, None)
    return run.last_time_ns if is_over else now_ns


def process_of(run: Run) -> str:
    """Which process wrote it: `app.py (pid 4121 on ada)`."""
    if run.writer is None:
        return "its process"
    writer = run.writer
    return head(f"{writer.command or 'a process'} (pid {writer.pid} on {writer.host})", 200)


def shell_word(text: str) -> str:
    """`text` as a word of a command that a person may paste."""
    return shlex.quote(text)
