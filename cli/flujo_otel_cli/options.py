"""Options and arguments that several commands share, and how long help speaks of them."""

from typing import Annotated

import typer

from flujo_otel_cli.problem import Exit, Problem
from flujo_otel_cli.text import escape
from flujo_otel_cli.times import length, since


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Shell completion of a run: `last`, `prev`, or the id of a recent one in the database that the
    line names so far."""
    from flujo_otel.errors import FlujoOtelError
    from flujo_otel.spanstore.api import RunFilter
    from flujo_otel.spanstore.factory import open_reader

    words = ["last", "prev"]
    try:
        reader = open_reader(ctx.params.get("db"))
        words += [run.run_id for run in reader.list_runs(RunFilter(), 50)]
        reader.close()
    except FlujoOtelError:
        pass
    return [word for word in words if word.startswith(incomplete)]


def since_ns(text: str | None, now_ns: int) -> int | None:
    """What --since names, as Unix nanoseconds. Raises Problem."""
    return None if text is None else _time_ns("--since", text, now_ns)


def before_ns(text: str, now_ns: int) -> int:
    """The same of --before."""
    return _time_ns("--before", text, now_ns)


def length_ns(option: str, text: str) -> int:
    """What `option` names as a length of time, in nanoseconds. Raises Problem."""
    try:
        return length(text)
    except ValueError:
        message = f"{option} {escape(text)!r} is no length of time: 500ms, 30s, 5m, 2h."
        raise Problem(Exit.USAGE, "usage", message) from None


def _time_ns(option: str, text: str, now_ns: int) -> int:
    try:
        return since(text, now_ns)
    except (ValueError, OverflowError, OSError):
        message = f"{option} {escape(text)!r} is no time: 30m, 2h, 3d, or like 2026-01-31T14:00."
        raise Problem(Exit.USAGE, "usage", message) from None


Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="PATH",
        help="The database: a file or a sqlite:/// URI. Without it: FLUJO_OTEL_DB, "
        "FLUJO_STATE_URI, flujo.toml, ./flujo_otel.db.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run id, any unique prefix of one, a trace id, or last, prev.",
        autocompletion=complete_run,
    ),
]
