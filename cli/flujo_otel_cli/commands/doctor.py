"""`lens doctor`: is the database sound, who writes to it, what was lost and what to do about it."""

import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from flujo_otel.model import Loss
from flujo_otel.spanstore.api import Health
from flujo_otel_cli import amounts
from flujo_otel_cli.database import explained
from flujo_otel_cli.document import health_document, write_document
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import ago

WAL_WORTH_A_WORD = 64_000_000
"""Bytes of write-ahead log from which a reader seems to hold it back."""
_REMEDIES = {
    "queue_full": "raise FLUJO_OTEL_QUEUE_BYTES",
    "rejected": "such values cannot be stored: change what the program records",
    "refused": "the database would not take them: name another with FLUJO_OTEL_DB",
    "internal_error": "a fault of flujo-otel: FLUJO_OTEL_RAISE=1 in the program shows it",
    "fault": "of flujo-otel itself, the program went on: FLUJO_OTEL_RAISE=1 shows it",
    "id_reused": "all are kept; does the program seed the generator of its ids?",
    "database_replaced": "leave the file where it is while a program writes to it",
}
_INDENT = len("✔ database   ")
_NOTHING_LOST = ("database_replaced", "fault", "id_reused")
_NOT_SPANS = ("database_replaced", "fault")
Finding = tuple[str, str, str]
"""Status, what it is about, what is to be said of it."""


def command(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the integrity check, slow on large files.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Is the database sound, and was anything lost?"""
    from flujo_otel.spanstore.factory import open_maintenance

    try:
        with explained(db):
            health = open_maintenance(db).health(check_integrity=not quick)
    except Problem as problem:
        if problem.code != "no_database" or not _told_of_flujo(db, json=json):
            raise
        return
    now_ns = time.time_ns()
    findings = list(find(health, now_ns))
    sound = all(status != "failed" for status, _, _ in findings)
    if json:
        write_document(health_document(health) | {"sound": sound}, sys.stdout)
    else:
        to = Terminal.of(sys.stdout)
        to.write(line for finding in findings for line in _lines(finding, to))
    if not sound:
        raise typer.Exit(Exit.NOT_FOUND)


def _told_of_flujo(db: str | None, *, json: bool) -> bool:
    """Where there is nothing of ours yet, but flujo's own database is there: that is no fault."""
    from flujo_otel.settings import load
    from flujo_otel.spanstore.location import resolve

    location = resolve(load(db=db))
    if location.flujo_path is None:
        return False
    if json:
        facts = {"path": str(location.path), "flujo_path": str(location.flujo_path)}
        write_document({**facts, "run_count": 0, "span_count": 0, "sound": True}, sys.stdout)
        return True
    to = Terminal.of(sys.stdout)
    ours = f"none of ours yet at {escape(str(location.path))}: lens run -- python your_app.py"
    own = f"flujo's own is {escape(str(location.flujo_path))}: lens list shows its runs"
    for finding in (("completed", "database", ours), ("completed", "flujo", own)):
        to.write(_lines(finding, to))
    return True


def find(health: Health, now_ns: int) -> Iterator[Finding]:
    """Every finding; one that is not `completed` says what to do."""
    yield _database(health)
    yield from (("warning", "sqlite", fault) for fault in health.faults)
    if health.wal_bytes > WAL_WORTH_A_WORD:
        size = amounts.size(health.wal_bytes)
        yield "warning", "log", f"the write-ahead log has {size}: close readers that stay open"
    writers = ", ".join(f"{escape(w.command)} (pid {w.pid})" for w in health.writers)
    yield "completed", "writers", writers or "none just now"
    for loss in health.losses:
        lost = ("failed", "lost") if _is_lost(loss) else ("warning", "ledger")
        yield *lost, _loss(loss, now_ns)
    # Of a damaged file nobody can say so.
    if health.integrity in ("ok", "") and not any(map(_is_lost, health.losses)):
        yield "completed", "lost", "nothing"


def _is_lost(loss: Loss) -> bool:
    return loss.reason not in _NOTHING_LOST


def _database(health: Health) -> Finding:
    facts = [
        escape(health.path),
        amounts.size(health.size_bytes + health.wal_bytes),
        f"schema {health.schema_version}",
        amounts.plural(health.run_count, "run"),
        amounts.plural(health.span_count, "span"),
    ]
    if health.integrity in ("ok", ""):
        facts.append("integrity ok" if health.integrity else "integrity not checked")
        return "completed", "database", ", ".join(facts)
    fault = f"damaged: {escape(health.integrity)}. Keep a copy, then: sqlite3 FILE .recover"
    return "failed", "database", ", ".join([*facts, fault])


def _loss(loss: Loss, now_ns: int) -> str:
    when = ago(loss.last_time_ns, now_ns)
    detail = f" ({escape(loss.detail)})" if loss.detail else ""
    remedy = f"; {_REMEDIES[loss.reason]}" if loss.reason in _REMEDIES else ""
    number = "" if loss.reason in _NOT_SPANS else f"{amounts.plural(loss.count, 'span')} "
    of = f"{number}of {escape(loss.service)}"
    return f"{of}, {when}: {escape(loss.reason.replace('_', ' '))}{detail}{remedy}"


def _lines(finding: Finding, to: Terminal) -> Iterator[Line]:
    """One line, or several on a terminal that it would not fit: nothing of it may be cut."""
    status, subject, text = finding
    mark = Piece(f"{to.theme.mark(status)} ", STYLES[status])
    room = max(to.width - _INDENT, 20)
    first, *rest = textwrap.wrap(text, room) if to.cuts else [text]
    yield [mark, Piece(f"{subject:<10} ", "bold"), Piece(first)]
    yield from ([Piece(" " * _INDENT), Piece(line)] for line in rest)
