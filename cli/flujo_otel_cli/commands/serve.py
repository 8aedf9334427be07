"""`lens serve`: receive OTLP from any language, into the same database, and send it on."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flujo_otel.settings import TOML_VARIABLE
from flujo_otel_cli.document import write_line
from flujo_otel_cli.interrupt import ending_at_once
from flujo_otel_cli.line import Line, cut_line
from flujo_otel_cli.options import Db
from flujo_otel_cli.pause import listened_to
from flujo_otel_cli.problem import Exit
from flujo_otel_cli.terminal import Terminal

if TYPE_CHECKING:
    from flujo_otel.server import Server
    from flujo_otel_cli.receiving import Meter

_DRAW_SECONDS = 0.5
_PLAIN_SECONDS = 10.0
"""Between two lines of counts where nobody can draw over the last one."""
_LISTENED_SECONDS = 1.0
"""Between two looks whether anybody reads the output any more."""
_TO_START = "\r\x1b[K"


def command(
    *,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Listen here; beyond this machine a token is asked."),
    ] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="For OTLP/HTTP; 0: a free one.")
    ] = 4318,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="For OTLP/gRPC; 0: a free one.")
    ] = 4317,
    forward: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL|NAME|env",
            help="Send on to this backend: http://host:4318, grpc://host:4317, a [forward.NAME] of "
            "flujo.toml, or env for OTEL_EXPORTER_OTLP_*. May be given again. Without it: all of "
            "flujo.toml.",
        ),
    ] = None,
    redact: Annotated[
        bool | None,
        typer.Option(
            "--redact/--no-redact",
            help="Take secrets out of spans before they are stored; metrics and logs are not sent "
            "on then. Without it: as [redaction] of flujo.toml says, else no.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="This flujo.toml instead of the nearest one."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="Clients must send it as a bearer. FLUJO_OTEL_TOKEN keeps it out of `ps`.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name that clients may call this server by."),
    ] = None,
    db: Db = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object when ready, one at the end.")
    ] = False,
) -> None:
    """Receive OpenTelemetry traces from any program, and send them on."""
    with ending_at_once():
        from flujo_otel.server import Server, ServerOptions

    if config is not None:
        os.environ[TOML_VARIABLE] = str(config)
    options = ServerOptions(
        db=db,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        redact=redact,
        forward=forward or None,
    )
    server = Server(options)
    made = _made_for(server.database)
    server.start()
    all_written = _serve_for_machines(server) if json else _serve(server, made)
    if not all_written:
        raise typer.Exit(Exit.FAILED)


def _made_for(database: Path) -> str:
    """What a start is about to make; "" where the database is there: a mistyped path is none."""
    with suppress(OSError):  # the start says what is wrong with the path
        if not database.exists():
            has_folder = database.parent.is_dir()
            return "a new database" if has_folder else "a new database in a new folder"
    return ""


def _serve_for_machines(server: "Server") -> bool:
    from flujo_otel_cli.receiving import ready_document, stopped_document

    try:
        write_line(ready_document(server, os.getpid()), sys.stdout)
        sys.stdout.flush()
        while not server.wait(_LISTENED_SECONDS):
            listened_to(sys.stdout)
    finally:
        all_written = server.stop()
    write_line(stopped_document(server, all_written=all_written), sys.stdout)
    return all_written


def _serve(server: "Server", made: str) -> bool:
    from flujo_otel_cli.receiving import Meter, screen

    to = Terminal.of(sys.stdout)
    meter = Meter(server)
    all_written = False
    try:
        to._replace(cuts=False).write(screen(server, to.theme, made))
        to.stream.flush()
        (_draw if to.cuts else _tell)(server, meter)
    finally:
        all_written = server.stop()
    _write(Terminal.of(sys.stdout), meter.last_line(to.theme, all_written=all_written))
    return all_written


def _draw(server: "Server", meter: "Meter") -> None:
    """One line, drawn over and over; its width is the terminal's, whatever that is by now."""
    while not server.wait(_DRAW_SECONDS):
        to = Terminal.of(sys.stdout)
        line = cut_line(meter.line(to.theme), to.width - 1, to.theme.ellipsis)
        to.stream.write(_TO_START + to.rendered(line))
        to.stream.flush()
    sys.stdout.write(_TO_START)


def _tell(server: "Server", meter: "Meter") -> None:
    """A line now and then, where there is anything new to say."""
    next_line = time.monotonic() + _PLAIN_SECONDS
    while not server.wait(_LISTENED_SECONDS):
        listened_to(sys.stdout)
        if time.monotonic() >= next_line and meter.has_news():
            to = Terminal.of(sys.stdout)
            _write(to, meter.line(to.theme))
            next_line = time.monotonic() + _PLAIN_SECONDS


def _write(to: Terminal, line: Line) -> None:
    to._replace(cuts=False).write([line])
    to.stream.flush()
