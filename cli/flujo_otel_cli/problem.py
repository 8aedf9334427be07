"""What a command has to say when it cannot do as asked, and the exit code that goes with it."""

import os
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from flujo_otel import errors
from flujo_otel_cli.hint import hint
from flujo_otel_cli.text import escape


class Exit(IntEnum):
    """Exit codes. They never change their meaning; `lens run` gives its command's own."""

    OK = 0
    NOT_FOUND = 1
    """No such run, step, span or destination; a prefix of several runs; `doctor` found a fault."""
    USAGE = 2
    NO_DATABASE = 3
    """No database, or one that cannot be used."""
    FAILED = 4
    """Anything else went wrong."""
    PORT_TAKEN = 5
    INTERRUPTED = 130
    CLOSED_PIPE = 141


class Problem(Exception):
    """A message fit to show, with what to do about it, and the same for a machine."""

    def __init__(
        self,
        exit_code: int,
        code: str,
        message: str,
        hints: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """`code` is one word that never changes: `no_such_run`, `no_database`, ..."""
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hints = hints
        self.details = details or {}

    def document(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, **self.details}}


_CODES: tuple[tuple[type[errors.FlujoOtelError], Exit, str], ...] = (
    (errors.NoSuchRun, Exit.NOT_FOUND, "no_such_run"),
    (errors.AmbiguousRun, Exit.NOT_FOUND, "ambiguous_run"),
    (errors.SettingsError, Exit.USAGE, "bad_setting"),
    (errors.NoDatabase, Exit.NO_DATABASE, "no_database"),
    (errors.ForeignDatabase, Exit.NO_DATABASE, "foreign_database"),
    (errors.StoreUnavailable, Exit.NO_DATABASE, "database_unavailable"),
    (errors.StoreError, Exit.NO_DATABASE, "database_error"),
    (errors.PortTaken, Exit.PORT_TAKEN, "port_taken"),
    (errors.MissingExtra, Exit.FAILED, "missing_extra"),
    (errors.FlujoOtelError, Exit.FAILED, "failed"),
)


def first_trace(db: str | None) -> Sequence[str]:
    """What to do where there is nothing; `db`: what was named with --db, if anything."""
    traced = f"Trace something first:  {traces_into(db)}"
    named = f"or name a database:     {hint('list', '--db', 'PATH')}"
    return (traced, named) if db is None else (traced,)


def traces_into(db: str | None) -> str:
    """The command that traces a program; `db` as of `first_trace`."""
    into = () if db is None else ("--db", db)
    return hint("run", *into, "--", "python", "your_app.py")


def problem_of(error: Exception) -> Problem:
    """`error` as this command says it. Raises a fault of our own where FLUJO_OTEL_RAISE is set."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.FlujoOtelError):
        exit_code, code = next((e, word) for kind, e, word in _CODES if isinstance(error, kind))
        hints = first_trace(None) if isinstance(error, errors.NoDatabase) else ()
        return Problem(exit_code, code, escape(str(error)), hints)
    said = escape(str(error))
    # By name: which database module is behind the store is the store's own affair.
    if type(error).__module__ == "sqlite3":
        message = f"The database cannot be read: {said}. lens doctor, with its --db, says more."
        return Problem(Exit.NO_DATABASE, "database_error", message)
    if isinstance(error, OSError):
        return Problem(Exit.FAILED, "failed", f"lens cannot go on: {said}.")
    if os.environ.get("FLUJO_OTEL_RAISE"):
        raise error
    message = (
        f"A fault of lens itself: {type(error).__name__}: {said}. FLUJO_OTEL_RAISE=1 shows it."
    )
    return Problem(Exit.FAILED, "failed", message)
