"""`lens delete`: takes runs out of the database, for good."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from flujo_otel.model import Run, RunStatus
from flujo_otel.query.nesting import nesting_of
from flujo_otel.spanstore.api import ALL, RunFilter
from flujo_otel_cli import amounts
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.options import Db, Json, before_ns, complete_run
from flujo_otel_cli.pipelines import no_such_pipeline
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.progress import ProgressBar
from flujo_otel_cli.runs import find_run, short_id
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.text import brief, escape

_LOOKED_FOR = 10
"""Of the deleted runs, in flujo's own database."""


def command(
    *,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="These: run ids, unique prefixes, trace ids, or last, prev.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="All that started before: 30d ago, 2w, or an ISO time."),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of --before, this pipeline's alone.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Delete runs with all their spans, steps and runs inside, for good. Asks before it does."""
    if bool(runs) == (before is not None) or (pipeline is not None and before is None):
        message = "Give the runs to delete, or --before TIME, which --pipeline may narrow."
        raise Problem(Exit.USAGE, "usage", message)
    with open_session(db, json=json) as session:
        named = _older(session, before, pipeline) if before is not None else _named(session, runs)
        # Not of those that go by their age: each run has one of its own.
        inside = _inside(session, named) if before is None else []
        over, over_inside = _over(named), _over(inside)
        chosen = [*over, *over_inside]
        if chosen and not yes:
            _ask(session, over, over_inside)
        freed_bytes = _delete(session, chosen) if chosen else 0
        _tell(session, chosen, len(named) + len(inside) - len(chosen), freed_bytes)
        if pipeline is not None and not named and not session.json:
            unknown = no_such_pipeline(session.reader, pipeline)
            session.show([[Piece(unknown)]] if unknown else [])


def _named(session: Session, names: Sequence[str] | None) -> list[Run]:
    runs = (find_run(session.reader, name, session.now_ns, session.db) for name in names or ())
    found = {run.run_id: run for run in runs}
    for run in found.values():
        said = short_id(session.reader, run.run_id)
        if run.origin is not None:
            message = (
                f"{said} is in flujo's own database, {escape(run.origin)}: lens only reads it."
            )
            raise Problem(Exit.FAILED, "not_ours", message)
        if run.status is RunStatus.RUNNING:
            message = f"{said} is still running: what it writes next would make it anew."
            raise Problem(Exit.FAILED, "still_running", message)
    return list(found.values())


def _inside(session: Session, runs: Sequence[Run]) -> list[Run]:
    """The runs inside `runs`, at any depth: what `lens trace` shows is what goes."""
    named = {run.run_id for run in runs}
    found = (each for run in runs for each in nesting_of(session.reader, run).inside)
    return list({run.run_id: run for run in found if run.run_id not in named}.values())


def _over(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.status is not RunStatus.RUNNING]


def _older(session: Session, before: str, pipeline: str | None) -> list[Run]:
    until_ns = before_ns(before, session.now_ns) - 1
    where = RunFilter(pipeline=pipeline, until_ns=until_ns, nested=True)
    return [run for run in session.reader.list_runs(where, ALL) if run.origin is None]


def _ask(session: Session, named: Sequence[Run], inside: Sequence[Run]) -> None:
    """Raises Problem where nobody can be asked, typer.Exit where the answer is no."""
    chosen = [*named, *inside]
    if session.json or not sys.stdin.isatty():
        message = f"{_amount(chosen)}: --yes deletes them where nobody can be asked."
        raise Problem(Exit.USAGE, "unconfirmed", message)
    session.show(_warning(session, named, inside))
    if not typer.confirm(f"Delete {_amount(chosen)} for good?"):
        session.show([[Piece("Nothing was deleted.")]])
        raise typer.Exit(Exit.OK)


def _warning(session: Session, named: Sequence[Run], inside: Sequence[Run]) -> Iterator[Line]:
    """What may be missed."""
    shown = named[:5]
    for run in shown:
        yield [
            Piece(f"{short_id(session.reader, run.run_id)}  ", "bold"),
            Piece(f"{brief(run.pipeline_name)}  {run.status}"),
        ]
    if len(named) > len(shown):
        yield [Piece(f"and {len(named) - len(shown):,} more", "dim")]
    if inside:
        count = amounts.plural(len(inside), "run")
        goes, it = ("goes", "it") if len(inside) == 1 else ("go", "them")
        yield [Piece(f"{count} inside {goes} too: lens trace shows {it} there.", "yellow")]
    paused = sum(run.status is RunStatus.PAUSED for run in (*named, *inside))
    if paused:
        said = f"{amounts.plural(paused, 'run')} of these {'waits' if paused == 1 else 'wait'}"
        yield [Piece(f"{said} for a human, and could not go on.", "yellow")]
    for destination, lag in _behind(session):
        said = f"{destination} is {lag} behind: it never gets what is deleted of that."
        yield [Piece(said, "yellow")]


def _behind(session: Session) -> Iterator[tuple[str, str]]:
    """Destinations that have not been sent everything yet."""
    from flujo_otel.spanstore.factory import open_destinations

    with closing(open_destinations(session.db, read_only=True)) as store:
        for cursor in store.cursors():
            if cursor.lag:
                yield escape(cursor.destination), amounts.lag(cursor)


def _delete(session: Session, chosen: Sequence[Run]) -> int:
    """How many bytes the file gives back."""
    from flujo_otel.spanstore.factory import open_maintenance

    maintenance = open_maintenance(session.db)
    before_bytes = maintenance.size_bytes()
    spans = {run.run_id: run.span_count for run in chosen}
    done = 0
    with ProgressBar("deleted", sum(spans.values()), hidden=session.json) as bar:
        for deleted in maintenance.delete_runs(spans):
            done += spans[deleted.run_id]
            bar.show(done)
    return max(before_bytes - maintenance.size_bytes(), 0)


def _tell(session: Session, chosen: Sequence[Run], running: int, freed_bytes: int) -> None:
    if session.json:
        document: dict[str, Any] = {
            "deleted": [run.run_id for run in chosen],
            "spans": sum(run.span_count for run in chosen),
            "still_running": running,
            "freed_bytes": freed_bytes,
        }
        session.answer(document)
        return
    if chosen:
        smaller = f"; the file shrinks by {amounts.size(freed_bytes)}" if freed_bytes else ""
        said = f"Deleted {_amount(chosen)}{smaller}."
    else:
        said = "No runs match; nothing was deleted."
    if running:
        said += f" Still running, and left alone: {amounts.plural(running, 'run')}."
    session.show([[Piece(said)], *_listed_still(session, chosen)])


def _listed_still(session: Session, deleted: Sequence[Run]) -> Iterator[Line]:
    """flujo's own backend, which is there where nobody chose another, keeps a record of each run
    that it made, and `lens list` has that now."""
    found = (session.reader.get_run(run.run_id) for run in deleted[:_LOOKED_FOR])
    origin = next((run.origin for run in found if run is not None and run.origin is not None), None)
    if origin is not None:
        yield [Piece(f"flujo has records of its own in {escape(origin)}: lens lists those still.")]


def _amount(chosen: Sequence[Run]) -> str:
    spans = sum(run.span_count for run in chosen)
    return f"{amounts.plural(len(chosen), 'run')} with {amounts.plural(spans, 'span')}"
