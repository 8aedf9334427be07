"""`lens tail`: spans or runs as they start and end, whichever process they are of."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

import typer

from flujo_otel.errors import NoDatabase, StoreError
from flujo_otel.spanstore.changes import ChangeFilter
from flujo_otel_cli.commands.list import Status
from flujo_otel_cli.database import explained, name_of
from flujo_otel_cli.document import write_line
from flujo_otel_cli.follower import Follower
from flujo_otel_cli.interrupt import held_back
from flujo_otel_cli.line import Piece, flowed
from flujo_otel_cli.moment import RunMoment, SpanMoment
from flujo_otel_cli.options import Db, complete_run, since_ns
from flujo_otel_cli.pause import pause
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.runs import find_run
from flujo_otel_cli.tail import RunTail, SpanTail
from flujo_otel_cli.terminal import Terminal

_IDLE_SECONDS = 0.2
"""Between two looks for changes; an idle one costs some 0.4 ms: 0.2 % of a core."""


def command(
    *,
    runs: Annotated[bool, typer.Option("--runs", help="Runs instead of spans.")] = False,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="Only of this run: an id, any unique prefix of one, last, prev.",
            autocompletion=complete_run,
        ),
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only what has this status now; running: starts.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only spans of this name; with --runs, pipelines."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin with what happened since: 30m, 2h, an ISO time."),
    ] = None,
    db: Db = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Spans or runs as they start and end, live, of every process. Ctrl-C ends it."""
    if status is Status.DIED and not runs:
        message = "A span's process dies, and its run with it: lens tail --runs --status died."
        raise Problem(Exit.USAGE, "usage", message)
    begin_ns = since_ns(since, time.time_ns())
    where = ChangeFilter(_run_id(run, db), status, name)
    tail = RunTail(where, begin_ns) if runs else SpanTail(where, begin_ns)
    try:
        with closing(Follower(db, begin_ns)) as follower:
            _begin(follower, db)
            while True:
                news, is_all = tail.next(follower)
                _tell(_placed(news, db), json=json)
                if is_all:
                    pause(sys.stdout, _IDLE_SECONDS)
    except KeyboardInterrupt:
        return


def _run_id(name: str | None, db: str | None) -> str | None:
    """The id of the run that is named; while there is no database, the beginning of one."""
    from flujo_otel.spanstore.factory import open_reader

    if name is None:
        return None
    try:
        reader = open_reader(db)
    except NoDatabase:
        return name
    with closing(reader):
        return find_run(reader, name, time.time_ns(), db).run_id


def _begin(follower: Follower, db: str | None) -> None:
    """Say what is followed: that nothing happens yet would else look like a fault."""
    to = Terminal.of(sys.stderr)
    with explained(db):
        is_there = follower.open()
    if not is_there:
        _note(f"No database at {name_of(db)} yet: waiting for one.", to)
    elif to.cuts:
        _note(f"Following {name_of(db)}. Ctrl-C ends it.", to)


def _note(text: str, to: Terminal) -> None:
    """In as many lines as it takes."""
    said = [Piece(text, "dim")]
    to.write(flowed([to.spelled(said)], to.width, Piece(" ")) if to.cuts else [said])


def _placed(
    news: Sequence[SpanMoment | RunMoment], db: str | None
) -> Sequence[SpanMoment | RunMoment]:
    """The runs of `news` with those that they are in, as far as that can be asked for now."""
    from flujo_otel.spanstore.factory import open_reader

    told = [each.run.run_id for each in news if isinstance(each, RunMoment)]
    if not told:
        return news
    try:
        with closing(open_reader(db)) as reader:
            roots = reader.roots(told)
    except StoreError:  # gone meanwhile
        return news
    outer = {run_id: root.outer_run_id for run_id, root in roots.items()}
    return [
        each._replace(outer_run_id=outer.get(each.run.run_id))
        if isinstance(each, RunMoment)
        else each
        for each in news
    ]


def _tell(news: Sequence[SpanMoment | RunMoment], *, json: bool) -> None:
    if not news:
        return
    to, now_ns = Terminal.of(sys.stdout), time.time_ns()
    for each in news:
        with held_back():  # else the line would end in the middle
            if json:
                write_line(each.document(), to.stream)
            else:
                to.write([each.line(to, now_ns)])
    with held_back():
        to.stream.flush()
