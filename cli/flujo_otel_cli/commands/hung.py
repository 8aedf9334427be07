"""`lens hung`: what has been open for too long; its exit code says whether there is any."""

from typing import Annotated

import typer

from flujo_otel_cli.activity import document, footer, lines, look
from flujo_otel_cli.line import Piece
from flujo_otel_cli.options import Db, Json, length_ns
from flujo_otel_cli.problem import Exit
from flujo_otel_cli.session import open_session


def command(
    *,
    over: Annotated[
        str, typer.Option(metavar="DURATION", help="Open for longer than this: 500ms, 30s, 5m, 2h.")
    ] = "30s",
    everything: Annotated[
        bool, typer.Option("--all", help="All runs that ever died, not the last hour's alone.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Runs and spans that are open for longer than --over. Exit code 1 where there are any."""
    over_ns = length_ns("--over", over)
    with open_session(db, json=json) as session:
        now = look(session, db, everything=everything, over_ns=over_ns)
        # flujo's own database keeps a run of a killed process as running for ever.
        now = now._replace(living=[each for each in now.living if each.run.origin is None])
        if json:
            facts = {"over_ns": over_ns, "died_earlier": now.died_earlier}
            facts["hung"] = len(now.living) + now.more_living
            facts["more_open_spans"] = now.more_open_spans
            session.answer(facts | {"runs": document(session, [*now.living, *now.died])})
        else:
            session.show(lines(session, now))
            said = f"open for over {over.strip()}"
            counts = footer(session, now, everything=everything).replace("running", said, 1)
            session.show([[Piece(counts, "dim")]])
    if now.living:  # what died will never end, but nothing hangs in it
        raise typer.Exit(Exit.NOT_FOUND)
