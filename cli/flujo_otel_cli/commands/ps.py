"""`lens ps`: what is running now."""

from collections.abc import Iterator
from typing import Annotated

import typer

from flujo_otel.model import RunStatus
from flujo_otel.spanstore.api import RunFilter
from flujo_otel_cli import amounts
from flujo_otel_cli.activity import document, footer, lines, look
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.session import Session, open_session

_WAITING = RunFilter(RunStatus.PAUSED, still=True)


def command(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All runs that ever died, not the last hour's alone.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Runs and spans that are open now, for how long, in which process."""
    with open_session(db, json=json) as session:
        now = look(session, db, everything=everything)
        if json:
            facts = {"running": len(now.living) + now.more_living, "died_earlier": now.died_earlier}
            facts["more_open_spans"] = now.more_open_spans
            facts["paused"] = session.reader.count_runs(_WAITING)
            session.answer(facts | {"runs": document(session, [*now.living, *now.died])})
            return
        session.show(lines(session, now))
        session.show([[Piece(footer(session, now, everything=everything), "dim")]])
        session.show(_paused_lines(session))


def _paused_lines(session: Session) -> Iterator[Line]:
    """How many runs wait for a human, and the command that names them."""
    count = session.reader.count_runs(_WAITING)
    if count:
        verb = "waits" if count == 1 else "wait"
        yield [
            Piece(f"{amounts.plural(count, 'paused run')} {verb} for a human: ", "dim"),
            Command(hint("list", "--status", "paused", db=session.db), "dim"),
        ]
