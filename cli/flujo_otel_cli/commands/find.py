"""`lens find`: spans of any run, by a piece of text, an attribute, a duration."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from flujo_otel.query.search import Condition, FoundRun, Search, search
from flujo_otel.spanstore.api import ALL, RunFilter
from flujo_otel_cli.commands.list import Status
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.matches import match_lines
from flujo_otel_cli.options import Db, Json, complete_run, length_ns, since_ns
from flujo_otel_cli.pipelines import no_such_pipeline
from flujo_otel_cli.problem import Exit, Problem, first_trace
from flujo_otel_cli.progress import ProgressBar
from flujo_otel_cli.runs import find_run
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.text import escape

if TYPE_CHECKING:
    from flujo_otel_cli.document import Document

_COUNTED = 100_000
"""Runs that are counted for the bar."""


def command(
    *,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="In a span's name, error, attributes (inputs and outputs are some) or events, in "
            "any case. Several words: as they stand, with a blank between them.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="An attribute: KEY, KEY=VALUE, 'KEY>NUMBER', also with <, >= and <=. Several: all "
            "of them.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only spans of this name.")
    ] = None,
    status: Annotated[Status | None, typer.Option(help="Only spans of this status.")] = None,
    over: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Only spans that took at least 500ms, 30s, 5m."),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Only in this run.", autocompletion=complete_run),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only in runs of this pipeline.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only in runs started since: 30m, 2h, 3d, or an ISO time."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many runs.")] = 10,
    db: Db = None,
    json: Json = False,
) -> None:
    """Spans of any run by a piece of text, an attribute, a duration. The runs that have such,
    newest first, and where in them it stands."""
    text = None if not texts else " ".join(texts)
    given = (
        ("--name", name),
        ("--status", status),
        ("--over", over),
        ("--pipeline", pipeline),
        ("--since", since),
        *(("--where", each) for each in where or ()),
    )
    words = [word for option, value in given if value is not None for word in (option, str(value))]
    _ask_for_something(text, words)
    conditions = tuple(_condition(each) for each in where or ())
    least_ns = 0 if over is None else length_ns("--over", over)
    limit = min(limit, ALL)
    with open_session(db, json=json) as session:
        since_at_ns = since_ns(since, session.now_ns)
        run_id = find_run(session.reader, run, session.now_ns, db).run_id if run else None
        asked = Search(text, conditions, name, status, least_ns, run_id, pipeline, since_at_ns)
        _answer(session, asked, [*([] if text is None else [text]), *words], limit)


def _answer(session: Session, asked: Search, words: Sequence[str], limit: int) -> None:
    """`words`: those that it was asked with."""
    total = session.reader.count_quickly(RunFilter(nested=True), _COUNTED) or _COUNTED
    with ProgressBar("looked through", total, hidden=session.json, unit="run", patient=True) as bar:
        found = list(islice(search(session.reader, asked, session.now_ns, bar.show), limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    if session.json:
        session.answer({"runs": list(map(_document, shown)), "has_more": has_more})
    elif not found:
        session.show(_nothing(session, asked))
    else:
        session.show(match_lines(session, shown, words, is_one_run=asked.run_id is not None))
        if has_more:
            more = hint("find", *words, "--limit", str(2 * limit), db=session.db)
            session.show([[Piece("There are more:  ", "dim"), Command(more, "dim")]])


def _document(each: FoundRun) -> "Document":
    from flujo_otel_cli.document import run_document, span_document  # text needs neither

    found = [
        span_document(span) | {"places": [place._asdict() for place in places]}
        for span, places in each.found
    ]
    return run_document(each.run) | {"found": found}


def _nothing(session: Session, asked: Search) -> list[Line]:
    unknown = asked.pipeline and no_such_pipeline(session.reader, asked.pipeline)
    if unknown:
        return [[Piece(unknown)]]
    if session.reader.list_runs(RunFilter(), 1):
        return [[Piece("No spans match.")]]
    return [[Piece(text)] for text in ("No runs here yet.", *first_trace(session.db))]


def _ask_for_something(text: str | None, words: Sequence[str]) -> None:
    is_asked = text or {"--where", "--name", "--status", "--over"}.intersection(words)
    if not is_asked or text == "":
        message = "Nothing to look for. Like this:"
        hints = ("'sour milk'", "--where user.id=42", "--over 2s")
        raise Problem(Exit.USAGE, "usage", message, [f"lens find {each}" for each in hints])


def _condition(text: str) -> Condition:
    try:
        return Condition.of(text)
    except ValueError:
        message = f"--where {escape(text)!r} is no condition: KEY, KEY=VALUE or 'KEY>NUMBER'."
        raise Problem(Exit.USAGE, "usage", message) from None
