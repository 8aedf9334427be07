"""`lens trace`: a run as a tree."""

from typing import TYPE_CHECKING, Annotated

import typer

from flujo_otel.model import Run, RunStatus
from flujo_otel.query.prune import only_failed
from flujo_otel_cli.drawing import draw, no_spans
from flujo_otel_cli.header import header
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.options import Db, Json, RunName
from flujo_otel_cli.picture import Picture, picture_of
from flujo_otel_cli.runs import find_run, short_id
from flujo_otel_cli.session import Session, open_session

if TYPE_CHECKING:
    from flujo_otel_cli.document import Document


def command(
    *,
    name: RunName = "last",
    depth: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many levels.")
    ] = None,
    attributes: Annotated[
        bool, typer.Option("--attributes", help="Each span's attributes beneath it.")
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="Each span's events beneath it.")
    ] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only failed spans and the way to them.")
    ] = False,
    unfold: Annotated[
        bool, typer.Option("--all", help="Every span, also where many are equal.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """A run as a tree: what ran when, and what failed."""
    with open_session(db, json=json) as session:
        run = find_run(session.reader, name, session.now_ns, session.db)
        picture = picture_of(session.reader, run, name, db=db)
        if json:
            session.answer(_document(run, picture, depth, errors=errors))
            return
        roots, drawing, _ = picture
        shown = only_failed(roots) if errors else roots
        if shown:
            drawing = drawing._replace(
                depth=depth, attributes=attributes, events=events, unfold=unfold
            )
            session.show(draw(run, shown, drawing, session.to, session.now_ns))
        else:
            session.show(_no_tree(session, run, name, any_spans=bool(roots)))


def _document(run: Run, picture: Picture, depth: int | None, *, errors: bool) -> "Document":
    from flujo_otel_cli.document import trace_document  # lines need none of it

    beside = picture.document()
    shown = only_failed(picture.roots) if errors else picture.roots
    return trace_document(run, shown, depth) | beside


def _no_tree(session: Session, run: Run, name: str, *, any_spans: bool) -> list[Line]:
    shown_id = short_id(session.reader, run.run_id)
    lines = header(run, shown_id, session.to, session.now_ns)
    if any_spans:
        lines.append([Piece("No span of it failed.")])
        if run.status is RunStatus.DIED:
            open_ones = hint("spans", shown_id, "--status", "died", db=session.db)
            lines.append([Piece("What was open when it died:  "), Command(open_ones)])
        return lines
    steps = session.reader.steps(run.run_id)
    return [*lines, *no_spans(run, steps, name, session.to, session.db)]
