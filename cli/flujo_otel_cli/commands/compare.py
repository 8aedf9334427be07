"""`lens compare`: what is different between two runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from flujo_otel.model import Run
from flujo_otel.query.predecessor import earlier_run
from flujo_otel_cli.comparison.report import report_lines
from flujo_otel_cli.comparison.sides import Sides, side_of
from flujo_otel_cli.hint import hint
from flujo_otel_cli.options import Db, Json, complete_run
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.runs import find_run, short_id, title
from flujo_otel_cli.session import Session, open_session

if TYPE_CHECKING:
    from flujo_otel_cli.document import Document


def command(
    *,
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="The run to compare; with OTHER the one to compare with. A run id, any unique "
            "prefix of one, a trace id, or last, prev.",
            autocompletion=complete_run,
        ),
    ] = "last",
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="OTHER",
            help="The run to compare. Without it RUN is compared with the newest earlier one of "
            "its pipeline.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Inputs and outputs, where they differ.")
    ] = False,
    unfold: Annotated[
        bool, typer.Option("--all", help="Every step and span, also what is alike.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Two runs side by side: what is different in time, cost, outcome."""
    with open_session(db, json=json) as session:
        base, compared = _runs(session, name, other)
        sides = Sides(side_of(session, base), side_of(session, compared))
        if json:
            session.answer(_document(sides, values=values))
            return
        comparison = sides.compared()
        session.show(report_lines(sides, comparison, session, unfold=unfold, values=values))


def _runs(session: Session, name: str, other: str | None) -> tuple[Run, Run]:
    """The one to compare with, and the one that is compared. Raises Problem."""
    run = find_run(session.reader, name, session.now_ns, session.db)
    if other is not None:
        return run, find_run(session.reader, other, session.now_ns, session.db)
    base = earlier_run(session.reader, run)
    if base is not None:
        return base, run
    shown_id = short_id(session.reader, run.run_id)
    raise Problem(
        Exit.NOT_FOUND,
        "no_earlier_run",
        f"Run {shown_id} is the first of {title(run)}: there is none to compare it with.",
        [
            f"Run it again, or name two runs:  {hint('compare', 'RUN', 'OTHER', db=session.db)}",
            f"All there are:  {hint('list', db=session.db)}",
        ],
        {"run_id": run.run_id},
    )


def _document(sides: Sides, *, values: bool) -> "Document":
    from flujo_otel_cli.comparison.document import comparison_document  # lines need none of it

    return comparison_document(sides, sides.compared(), values=values)
