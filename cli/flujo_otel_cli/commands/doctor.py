"""`lens doctor`: is the database sound, who writes to it, what was lost and what to do about it."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Annotated, Any, NamedTuple

import typer

from flujo_otel.spanstore.destinations import Cursor
from flujo_otel.spanstore.diagnosis import Diagnosis
from flujo_otel.spanstore.maintenance import Health
from flujo_otel_cli import findings
from flujo_otel_cli.database import explained
from flujo_otel_cli.document import Document, cursor_document, health_document, write_document
from flujo_otel_cli.findings import Finding
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Line, Piece, width_of
from flujo_otel_cli.neighbour import server_here
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.problem import Exit, Problem, traces_into
from flujo_otel_cli.service_counts import ServiceCounts, services_of
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape
from flujo_otel_cli.theme import STYLES


def command(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the integrity check, slow on large files.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Is the database sound, and was anything lost?"""
    try:
        with explained(db):
            examined = _examined(db, quick=quick)
    except Problem as problem:
        if problem.code != "no_database" or not _told_of_flujo(db, json=json):
            raise
        return
    found = list(_found(examined, db))
    sound = findings.is_sound(found)
    if json:
        write_document(document_of(examined) | {"sound": sound}, sys.stdout)
    else:
        to = Terminal.of(sys.stdout)
        to.write(line for finding in found for line in _lines(finding, to))
    if not sound:
        raise typer.Exit(Exit.NOT_FOUND)


class Examined(NamedTuple):
    """All that was looked at. Of a damaged file, little more than its health can be."""

    health: Health
    diagnosis: Diagnosis | None
    cursors: Sequence[Cursor]
    server: dict[str, Any] | None


def _examined(db: str | None, *, quick: bool) -> Examined:
    from flujo_otel.spanstore.factory import (
        open_destinations,
        open_diagnostician,
        open_maintenance,
    )

    health = open_maintenance(db).health(check_integrity=not quick)
    if health.integrity not in ("ok", ""):
        return Examined(health, None, (), server_here())
    diagnosis = open_diagnostician(db).diagnose()
    with closing(open_destinations(db, read_only=True)) as destinations:
        return Examined(health, diagnosis, destinations.cursors(), server_here())


def _found(examined: Examined, db: str | None) -> Iterator[Finding]:
    now_ns = time.time_ns()
    health = examined.health
    yield from findings.of_health(health, db)
    if examined.server is not None:
        yield findings.of_server(examined.server, health.path)
    if examined.diagnosis is not None:
        yield from findings.of_diagnosis(examined.diagnosis, health, db)
    for cursor in examined.cursors:
        yield findings.of_destination(cursor, now_ns, health.path, db)
    yield from findings.of_losses(health, now_ns)


def document_of(examined: Examined) -> Document:
    """All of it but the verdict."""
    document = health_document(examined.health) | {
        "destinations": [cursor_document(cursor) for cursor in examined.cursors],
        "server": examined.server,
    }
    diagnosis = examined.diagnosis
    if diagnosis is None:
        return document
    return document | {
        "obstacle": diagnosis.obstacle or None,
        "free_bytes": diagnosis.free_bytes,
        "services": [_service(each) for each in services_of(diagnosis, examined.health.losses)],
        "orphans_among": diagnosis.orphans_among,
        "unpriced_count": diagnosis.unpriced,
    }


def _service(service: ServiceCounts) -> Document:
    return {
        "service": service.service,
        "received": service.received,
        "stored": service.stored,
        "unchanged": service.unchanged,
        "rejected": dict(service.rejected),
        "dropped": dict(service.dropped),
        "truncated": service.truncated,
        "clock_skewed": service.clock_skewed,
        "id_reused": service.id_reused,
        "orphaned": service.orphaned,
    }


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
    ours = f"none of ours yet at {escape(str(location.path))}: {traces_into(db)}"
    own = f"flujo's own is {escape(str(location.flujo_path))}: {hint('list', db=db)} shows its runs"
    for finding in (
        Finding("completed", "database", ours),
        Finding("completed", "flujo", own),
    ):
        to.write(_lines(finding, to))
    return True


def _lines(finding: Finding, to: Terminal) -> Iterator[Line]:
    """One line, or several on a terminal that it would not fit: nothing of it may be cut."""
    mark = Piece(f"{to.theme.mark(finding.status)} ", STYLES[finding.status])
    subject = Piece(f"{finding.subject:<10} ", "bold")
    indent = width_of([mark, subject])
    room = max(to.width - indent, 20)
    first, *rest = to.wrapped(finding.text, room) if to.cuts else [finding.text]
    yield [mark, subject, Piece(first)]
    yield from ([Piece(" " * indent), Piece(line)] for line in rest)
