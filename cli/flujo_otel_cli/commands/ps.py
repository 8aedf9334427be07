"""`lens ps`: what is running now."""

from typing import Annotated

import typer

from flujo_otel_cli.activity import document, footer, lines, look
from flujo_otel_cli.line import Piece
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.session import open_session


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
            session.answer(facts | {"runs": document(session, [*now.living, *now.died])})
            return
        session.show(lines(session, now))
        session.show([[Piece(footer(session, now, everything=everything), "dim")]])
