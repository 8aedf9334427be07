"""Why there is no database to read: more than the store itself knows to say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flujo_otel.errors import ForeignDatabase, NoDatabase, StoreUnavailable
from flujo_otel_cli.problem import Exit, Problem, first_trace
from flujo_otel_cli.text import escape

if TYPE_CHECKING:
    from pathlib import Path


@contextmanager
def explained(db: str | None) -> Iterator[None]:
    """Raises Problem for what opening `db` may raise; `db` None: what the settings name."""
    try:
        yield
    except (NoDatabase, ForeignDatabase, StoreUnavailable) as error:
        problem = _problem(error, db)
        if problem is None:
            raise
        raise problem from error


def name_of(db: str | None) -> str:
    """The file that `db`, or else the settings, name."""
    from flujo_otel.settings import load
    from flujo_otel.spanstore.location import resolve

    return escape(str(resolve(load(db=db)).path))


def _problem(error: Exception, db: str | None) -> Problem | None:
    from flujo_otel.settings import load
    from flujo_otel.spanstore.location import DEFAULT_NAME, resolve

    path = resolve(load(db=db)).path
    named = escape(str(path))
    if path.is_dir():
        message = f"{named} is a folder. Name the file in it, as {named}/{DEFAULT_NAME}."
        return Problem(Exit.NO_DATABASE, "no_database", message)
    if not isinstance(error, NoDatabase):
        return None
    if path.exists():
        message = f"{named} is empty: nothing was traced into it yet (spans take 0.2 s)."
    elif db is not None:
        message = f"No database here (looked for {named}, named by --db)."
    else:
        message = escape(str(error))
    hints = [*first_trace(db), *(_one_up(path) if db is None else ())]
    hints += _elsewhere() if db is None else ()
    return Problem(Exit.NO_DATABASE, "no_database", message, hints)


def _one_up(path: "Path") -> Iterator[str]:
    """The database of the folder above: one is easily a folder too deep."""
    from flujo_otel.spanstore.location import DEFAULT_NAME

    above = path.parent.parent / DEFAULT_NAME
    if path.name == DEFAULT_NAME and above != path and above.is_file():
        yield f"There is one a folder up:  lens list --db ../{DEFAULT_NAME}"


def _elsewhere() -> Iterator[str]:
    """Where the collector of this machine stores, for whoever looks from another folder."""
    from flujo_otel_cli import neighbour

    server = neighbour.server_here()
    if server is not None and "database" in server:
        path = escape(str(server["database"]))
        yield f"lens serve on {server['address']} stores in {path}:  lens list --db {path}"
