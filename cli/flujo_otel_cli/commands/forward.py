"""`lens forward`: sends what is stored to an OTLP backend, or says how far each has come."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flujo_otel.errors import NoDatabase
from flujo_otel.settings import load
from flujo_otel.spanstore.destinations import Cursor, CursorState, Selection
from flujo_otel_cli import amounts
from flujo_otel_cli.document import cursor_document
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece, flowed
from flujo_otel_cli.options import Db, Json, complete_run, since_ns
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.progress import ProgressBar
from flujo_otel_cli.runs import find_run
from flujo_otel_cli.session import Session, open_session
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.text import escape
from flujo_otel_cli.times import ago

if TYPE_CHECKING:
    from flujo_otel.forward.destination import Destination
    from flujo_otel.forward.transfer import Transferred

COLUMNS = (
    Column("DESTINATION", shrinks=True, least=20),
    Column("STATE"),
    Column("WAITING", right=True),
    Column("SENT", right=True, rank=2),
    Column("REJECTED", right=True, rank=1),
    Column("LAST SENT", rank=3),
    Column("POSITION", right=True, rank=4),
)
_HANGING = 2
"""Columns before what a note goes on with: beneath its text, not its mark."""


def command(
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send to this backend: a URL like http://host:4318 or grpc://host:4317, the NAME "
            "of a [forward.NAME] in flujo.toml, or env for the OTEL_EXPORTER_OTLP_* variables.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only this run.", autocompletion=complete_run),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only spans since: 30m, 2h, 3d, or an ISO time."),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="How far each destination has come.")
    ] = False,
    forget: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Drop a destination that is no longer used."),
    ] = None,
    db: Db = None,
    json: Json = False,
) -> None:
    """Send stored spans to an OTLP backend, or see how far it is."""
    if [to is not None, status, forget is not None].count(True) != 1:
        message = (
            "Give one of --to URL, which sends, --status, which tells how it goes, "
            "and --forget NAME, which drops a destination."
        )
        raise Problem(Exit.USAGE, "usage", message)
    if to is None and (run is not None or since is not None):
        raise Problem(Exit.USAGE, "usage", "--run and --since say what --to sends.")
    if run is not None and since is not None:
        raise Problem(Exit.USAGE, "usage", "Either --run or --since, not both.")
    with open_session(db, json=json) as session:
        if to is not None:
            _send(session, db, to, run, since)
        elif forget is not None:
            _forget(session, db, forget)
        else:
            _tell(session, db)


# --- --status ------------------------------------------------------------------------------------


def _tell(session: Session, db: str | None) -> None:
    cursors = _cursors(db)
    if session.json:
        session.answer({"destinations": [cursor_document(cursor) for cursor in cursors]})
    elif cursors:
        rows = [_row(session, cursor) for cursor in cursors]
        session.show(table(COLUMNS, rows, session.to))
        session.show(line for cursor in cursors for line in _notes(session, cursor))
    else:
        said = "No standing destination yet; what --to sends, once, is not kept account of."
        session.show(_whole(session, [Piece(said)]))
        serve = hint("serve", "--forward", "http://host:4318", db=session.db)
        session.show([[Piece("Forward:  ", "dim"), Command(serve, "dim")]])


def _whole(session: Session, line: Line) -> Iterator[Line]:
    """What says why is broken where a terminal ends, not cut."""
    if session.to.cuts:
        return flowed([session.to.spelled(line)], session.to.width, Piece(" "), _HANGING)
    return iter([line])


def _cursors(db: str | None) -> list[Cursor]:
    from flujo_otel.spanstore.factory import open_destinations

    store = open_destinations(db, read_only=True)
    try:
        return list(store.cursors())
    except NoDatabase:  # flujo's own database alone
        return []
    finally:
        store.close()


def _row(session: Session, cursor: Cursor) -> list[Line]:
    none = session.to.theme.none
    sent_at = ago(cursor.sent_at_ns, session.now_ns) if cursor.sent_at_ns is not None else none
    return [
        [Piece(escape(cursor.destination), "bold")],
        _state(session, cursor),
        [Piece(amounts.lag(cursor))],
        [Piece(f"{cursor.sent:,}")],
        [Piece(f"{cursor.rejected:,}", "red" if cursor.rejected else "dim")],
        [Piece(sent_at)],
        [Piece(f"{cursor.position:,}", "dim")],
    ]


def _state(session: Session, cursor: Cursor) -> Line:
    mark = session.to.theme.mark
    if cursor.state is CursorState.PAUSED:
        return [Piece(f"{mark('failed')} paused", "red")]
    if cursor.state is CursorState.RETRYING and cursor.holder is not None:
        return [Piece(f"{mark('warning')} retrying", "yellow")]
    if not cursor.lag:
        return [Piece(f"{mark('completed')} up to date", "green")]
    if cursor.holder is not None:
        return [Piece(f"{mark('running')} sending", "cyan")]
    return [Piece(f"{mark('warning')} nobody sends", "yellow")]


def _notes(session: Session, cursor: Cursor) -> Iterator[Line]:
    name = escape(cursor.destination)
    if cursor.rejected_at_ns is not None:
        when = ago(cursor.rejected_at_ns, session.now_ns)
        words = escape(cursor.rejection) or "it did not say why"
        yield from _note(session, "warning", f"{name} rejected spans {when}: {words}")
    if cursor.state is not CursorState.OK and cursor.error_at_ns is not None:
        when = ago(cursor.error_at_ns, session.now_ns)
        remedy = ""
        if cursor.state is CursorState.PAUSED:
            remedy = "; it is asked again once a minute, and nothing is lost meanwhile"
        yield from _note(session, "failed", f"{name}, {when}: {escape(cursor.error)}{remedy}")
    if cursor.lag and cursor.holder is None:
        yield from _note(session, "warning", f"{name}: no process forwards to it just now")


def _note(session: Session, status: str, text: str) -> Iterator[Line]:
    style = "red" if status == "failed" else "yellow"
    return _whole(session, [Piece(f"{session.to.theme.mark(status)} ", style), Piece(text)])


# --- --forget ------------------------------------------------------------------------------------


def _forget(session: Session, db: str | None, name: str) -> None:
    from flujo_otel.spanstore.factory import open_destinations

    known = {cursor.destination: cursor for cursor in _cursors(db)}
    if name not in known:
        message = f"There is no destination {escape(name)}."
        hints = [f"There are: {', '.join(map(escape, known))}"] if known else []
        details = {"destinations": [*known]}
        raise Problem(Exit.NOT_FOUND, "no_such_destination", message, hints, details)
    with closing(open_destinations(db)) as store:
        is_forgotten = store.forget(name)
    if not is_forgotten:
        raise _in_use(name, db)
    dropped = known[name]
    if session.json:
        session.answer({"forgotten": cursor_document(dropped)})
        return
    said = f"{escape(name)} is forgotten: {dropped.sent:,} sent, {amounts.lag(dropped)} not sent"
    mark = session.to.theme.mark("completed")
    session.show([[Piece(f"{mark} ", "green"), Piece(f"{said}.")]])


def _in_use(name: str, db: str | None) -> Problem:
    holder = next((c.holder for c in _cursors(db) if c.destination == name), None)
    who = f"a living process ({escape(holder)})" if holder else "a living process"
    message = f"{escape(name)} is in use: {who} sends to it. End that first."
    return Problem(Exit.FAILED, "destination_in_use", message, details={"holder": holder})


# --- --to ----------------------------------------------------------------------------------------


def _send(session: Session, db: str | None, to: str, run: str | None, since: str | None) -> None:
    from flujo_otel.forward.choice import destinations
    from flujo_otel.forward.transfer import Transferred, transfer
    from flujo_otel.spanstore.factory import open_destinations

    [destination] = destinations([to], load(db=db), where="--to")
    which = Selection(_run_id(session, run), since_ns(since, session.now_ns), destination.where)
    store = open_destinations(db, read_only=True)
    done, total = Transferred(), 0

    def tell(so_far: Transferred) -> None:
        nonlocal done
        done = so_far
        progress.show(so_far.settled, so_far.trouble)

    try:
        total = store.count_selected(which)
        with ProgressBar(f"to {escape(destination.name)}", total, hidden=session.json) as progress:
            done = transfer(destination, store, which, tell)
    except KeyboardInterrupt:
        facts = _facts(destination, done, total)
        hints = [_how_far(done, total)]
        raise Problem(Exit.INTERRUPTED, "interrupted", "Interrupted.", hints, facts) from None
    finally:
        store.close()
    _conclude(session, destination, done, total)


def _run_id(session: Session, name: str | None) -> str | None:
    if name is None:
        return None
    run = find_run(session.reader, name, session.now_ns, session.db)
    if run.origin is not None:
        message = f"{escape(run.run_id)} was traced by flujo alone: it has no spans to send."
        raise Problem(Exit.NOT_FOUND, "no_such_run", message, details={"near": []})
    return run.run_id


def _conclude(
    session: Session, destination: "Destination", done: "Transferred", total: int
) -> None:
    facts = _facts(destination, done, total)
    sent = f"{amounts.plural(done.sent, 'span')} sent to {escape(destination.name)}"
    if done.error:
        message = f"{escape(destination.name)}: {escape(done.error)}"
        raise Problem(Exit.FAILED, "not_sent", message, [_how_far(done, total)], facts)
    if done.rejected:
        words = escape(done.words) or "it did not say why"
        message = f"{sent}; it rejected {done.rejected:,}: {words}"
        raise Problem(Exit.FAILED, "rejected", message, details=facts)
    if session.json:
        session.answer(facts)
        return
    mark = session.to.theme.mark("completed")
    session.show([[Piece(f"{mark} ", "green"), Piece(f"{sent}.")]])


def _facts(destination: "Destination", done: "Transferred", total: int) -> dict[str, Any]:
    return {
        "to": destination.shown,
        "total": total,
        "sent": done.sent,
        "rejected": done.rejected,
        "rejection": done.words,
    }


def _how_far(done: "Transferred", total: int) -> str:
    return f"{done.sent:,} of {amounts.plural(total, 'span')} sent; once more is safe."
