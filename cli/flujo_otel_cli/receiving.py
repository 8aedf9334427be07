"""What `lens serve` says: its start-up screen, a line of counts while it runs, a last one."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final
from urllib.parse import quote

from flujo_otel.errors import FlujoOtelError
from flujo_otel.server import Counts, Server
from flujo_otel.spanstore.destinations import Cursor, CursorState
from flujo_otel.spanstore.factory import open_destinations
from flujo_otel.wire.transport import GRPC_PORT, HTTP_PORT
from flujo_otel_cli import amounts
from flujo_otel_cli.document import Document
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.text import brief_name, escape
from flujo_otel_cli.theme import STYLES, Theme
from flujo_otel_cli.times import duration

_DEFAULTS: Final = (f"http://127.0.0.1:{HTTP_PORT}", f"http://127.0.0.1:{GRPC_PORT}")
_LAG_SECONDS: Final = 2.0
"""Between two looks at how far behind the destinations are, which has to be counted."""


def screen(server: Server, theme: Theme, made: str) -> Iterator[Line]:
    """Where it listens, where spans go, how to point an SDK at it. Nothing of it is to be cut:
    each line has something that is copied. `made`: what of the database was not there before."""
    yield [
        Piece(f"{theme.mark('running')} ", STYLES["running"]),
        Piece("lens serve", "bold"),
        Piece("  receives OpenTelemetry traces. Ctrl-C ends it.", "dim"),
    ]
    yield _fact("HTTP", server.addresses.http)
    yield _fact("gRPC", server.addresses.grpc)
    yield _fact("database", escape(str(server.database)))
    if made:
        yield _fact("", made)
    if server.state != "ok":
        yield _fact("", f"cannot store: {escape(server.state)}", STYLES["failed"])
    for destination in server.destinations:
        url = "" if "://" in destination.name else f"  {escape(destination.shown)}"
        yield _fact("forward", f"{escape(destination.name)}{url}")
    if server.redacts:
        yield _fact("redact", "secrets in spans; metrics and logs are not sent on")
    if server.token is not None:
        yield _fact("token", escape(server.token))
    yield []
    yield from _how_to_send(server)


def _fact(name: str, value: str, style: str = "") -> Line:
    return [Piece(f"  {name:<10}", "dim"), Piece(value, style)]


def _how_to_send(server: Server) -> Iterator[Line]:
    if server.addresses == _DEFAULTS and server.token is None:
        yield [Piece("  SDKs send here unless they are told otherwise. Else tell them:", "dim")]
    else:
        yield [Piece("  Point any OpenTelemetry SDK at it:", "dim")]
    yield [Piece(f"    OTEL_EXPORTER_OTLP_ENDPOINT={_to_send_to(server.addresses.http)}")]
    yield [Piece("    OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")]
    if server.token is not None:
        bearer = quote(f"Bearer {server.token}", safe="")
        yield [Piece(f"    OTEL_EXPORTER_OTLP_HEADERS=authorization={bearer}")]
    tail = hint("tail", db=str(server.options.db) if server.options.db else None)
    yield [Piece(f"  See what comes, from this folder:  {tail}", "dim")]


def _to_send_to(url: str) -> str:
    """A wildcard is an address to listen on; from elsewhere it is this machine's name."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


class Meter:
    """Counts as they grow, with the rate since the last look."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started = self._looked = time.monotonic()
        self._counts = Counts()
        self._cursors: list[Cursor] = []
        self._next_lags = 0.0

    def line(self, theme: Theme) -> Line:
        """What came so far, how fast, how far behind the destinations are."""
        now = time.monotonic()
        counts = self._server.counts()
        seconds = max(now - self._looked, 1e-6)
        rate = round((counts.received - self._counts.received) / seconds)
        self._looked, self._counts = now, counts
        said = [*_said(counts), f"{rate:,}/s", *self._lags(now)]
        line = [Piece(theme.dot.join(said))]
        state = self._server.state
        if state != "ok":
            failing = Piece(f"cannot store: {escape(state)}{theme.dot}", STYLES["failed"])
            return [failing, *line]
        return line

    def has_news(self) -> bool:
        """Whether anything came since the last line."""
        return self._server.counts() != self._counts

    def last_line(self, theme: Theme, *, all_written: bool) -> Line:
        """The sum of it."""
        status = "completed" if all_written else "failed"
        lasted = duration((time.monotonic() - self._started) * 1e9, theme.micro)
        sent = [
            f"{tally.sent:,} sent to {escape(name)}"
            for name, tally in self._server.forwarding().items()
        ]
        lost = [] if all_written else ["not everything could be written: lens doctor"]
        waiting = [*self._waiting()]
        said = [f"stopped after {lasted}", *_said(self._server.counts()), *sent, *waiting, *lost]
        return [Piece(f"{theme.mark(status)} ", STYLES[status]), Piece(theme.dot.join(said))]

    def _waiting(self) -> Iterator[str]:
        """What is stored and not sent yet: the next `lens serve` goes on with it."""
        names = {destination.name for destination in self._server.destinations}
        cursors = _cursors(self._server) if names else []
        for cursor in cursors:
            if cursor.destination in names and cursor.lag:
                called = brief_name(cursor.destination, 40)
                yield f"{amounts.lag(cursor)} still waiting for {called}"

    def _lags(self, now: float) -> Iterator[str]:
        names = {destination.name for destination in self._server.destinations}
        if names and now >= self._next_lags:
            self._next_lags = now + _LAG_SECONDS
            self._cursors = [c for c in _cursors(self._server) if c.destination in names]
        for cursor in self._cursors:
            # Before the count: a narrow terminal cuts the end.
            state = "" if cursor.state is CursorState.OK else f"{cursor.state}, "
            yield f"{brief_name(cursor.destination, 40)} {state}{amounts.lag(cursor)} behind"


def _cursors(server: Server) -> list[Cursor]:
    try:
        with closing(open_destinations(server.database, read_only=True)) as destinations:
            return list(destinations.cursors())
    except FlujoOtelError:  # locked, or deleted just now: the state says so
        return []


def _said(counts: Counts) -> Iterator[str]:
    yield f"{counts.received:,} received"
    yield f"{counts.stored:,} stored"
    if counts.to_unpack:
        yield f"{counts.to_unpack:,} to unpack"
    if counts.rejected:
        yield f"{counts.rejected:,} rejected"
    if counts.overloaded:
        yield f"{amounts.plural(counts.overloaded, 'request')} told to come again"
    others = {
        "metric points not stored": counts.metrics_not_stored,
        "log records not stored": counts.logs_not_stored,
    }
    yield from (f"{count:,} {what}" for what, count in others.items() if count)


def ready_document(server: Server, pid: int) -> Document:
    """The first line of `lens serve --json`."""
    return {
        "event": "ready",
        "pid": pid,
        **server.addresses._asdict(),
        "database": str(server.database),
        "state": server.state,
        "token": server.token,
        "destinations": [
            {"name": destination.name, "endpoint": destination.shown}
            for destination in server.destinations
        ],
    }


def stopped_document(server: Server, *, all_written: bool) -> Document:
    """The last one."""
    forwarding: Mapping[str, Document] = {
        name: {"sent": tally.sent, "rejected": tally.rejected}
        for name, tally in server.forwarding().items()
    }
    counts = server.counts()._asdict()
    return {"event": "stopped", "all_written": all_written, **counts, "forwarding": forwarding}
