"""Options and arguments that several commands share, and how long help speaks of them."""

from typing import Annotated

import typer


def complete_run(incomplete: str) -> list[str]:
    """Shell completion of a run: `last`, `prev`, or the id of a recent one."""
    from flujo_otel.errors import FlujoOtelError
    from flujo_otel.spanstore.api import RunFilter
    from flujo_otel.spanstore.factory import open_reader

    words = ["last", "prev"]
    try:
        reader = open_reader()
        words += [run.run_id for run in reader.list_runs(RunFilter(), 50)]
        reader.close()
    except FlujoOtelError:
        pass
    return [word for word in words if word.startswith(incomplete)]


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
