"""`lens run -- COMMAND`: run a program traced, no line of it changed, and show what it did.

The program has standard input, output and error, signals and the exit code to itself; the tree goes
to standard error, so that its output can still be piped.
"""

import os
import sys
import time
from typing import Annotated

import typer

from flujo_otel.errors import FlujoOtelError, NoDatabase
from flujo_otel.model import Run
from flujo_otel.query.tree import build_tree
from flujo_otel.spanstore.api import RunFilter, SpanFilter, TraceReader
from flujo_otel_cli.detail import Drawing
from flujo_otel_cli.document import trace_document, write_document
from flujo_otel_cli.drawing import draw
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.program import Program
from flujo_otel_cli.runs import short_id
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape

SETTINGS = {
    # What follows the command's name is the command's own, options too.
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": False}
}
_LOOKED_AT = 50
"""Of the newest runs, so many are looked through for one of the program's own process."""


def command(
    *,
    program: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="The command and its arguments.")
    ],
    db: Db = None,
    json: Json = False,
) -> None:
    """Run a program traced, then show what it did."""
    from flujo_otel.bootstrap import child_environment

    started_ns = time.time_ns()
    child = Program(program, child_environment(os.environ, db))
    exit_code = child.wait()
    _tell(db, child.pid, started_ns, json=json)
    raise typer.Exit(exit_code)


def _tell(db: str | None, pid: int, started_ns: int, *, json: bool) -> None:
    """Show the newest run; whatever is wrong with the store, the program's exit code stands."""
    from flujo_otel.spanstore.factory import open_reader

    to = Terminal.of(sys.stderr)
    try:
        reader = open_reader(db)
    except NoDatabase:
        to.write([_no_run()])
        return
    except FlujoOtelError as error:
        to.write([[Piece(escape(str(error)))]])
        return
    run = newest_of(reader, pid, started_ns)
    if run is None:
        to.write([_no_run()])
    elif json:
        write_document(trace_document(run, build_tree(reader.spans(run.run_id))), to.stream)
    else:
        roots = build_tree(reader.spans(run.run_id, SpanFilter()))
        shown_id = short_id(reader, run.run_id)
        drawing = Drawing(shown_id, shown_id)
        to.write(draw(run, roots, drawing, to, time.time_ns()))
    reader.close()


def newest_of(reader: TraceReader, pid: int, started_ns: int) -> Run | None:
    """The newest run since `started_ns` of process `pid`, else of whatever process: its child."""
    runs = reader.list_runs(RunFilter(since_ns=started_ns), _LOOKED_AT)
    own = (run for run in runs if run.writer is not None and run.writer.pid == pid)
    return next(own, runs[0] if runs else None)


def _no_run() -> Line:
    return [
        Piece(
            "lens run: the command made no run. It is traced where it is Python and uses flujo or "
            "OpenTelemetry; or call flujo_otel.configure() in it."
        )
    ]
