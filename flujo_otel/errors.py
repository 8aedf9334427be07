"""Every error that flujo-otel raises on purpose.

FlujoOtelError
├── SettingsError            a setting's value cannot be used
│   └── UnsupportedUri       a database URI of a scheme that no backend here speaks
├── StoreError               the database
│   ├── NoDatabase           a reader found no file
│   ├── ForeignDatabase      the file is another program's, or a newer version's of ours: untouched
│   ├── DamagedDatabase      the file is broken: says how to recover what is in it
│   └── StoreUnavailable     retryable: locked, disk full, read-only for now
│       └── StoreUnopenable  the file cannot be made or opened: no such folder, not permitted
├── NoSuchRun                an id that names no run, with the near ones
├── AmbiguousRun             a prefix that names several, with the candidates
├── MalformedTrace           a trace tree or record handed in by a caller is not of the agreed shape
├── MalformedRequest         what came over the wire is not the OTLP message it should be
├── PortTaken                a port to listen on is another program's; says whose
├── Overloaded               more waits to be stored than memory may hold: retryable, says when
└── MissingExtra             an optional dependency is not installed; says what to install
"""

from collections.abc import Mapping, Sequence
from typing import Any


class FlujoOtelError(Exception):
    """Base of all; its text is fit to show a user as it is."""


class SettingsError(FlujoOtelError):
    """A setting cannot be used: says which, where it came from and what it may be."""

    is_same_everywhere = True
    """Whoever meets it next has nothing to add (`guard.report`)."""


class UnsupportedUri(SettingsError):
    """A database URI whose scheme no backend here speaks."""


class StoreError(FlujoOtelError):
    """Something about the database."""


class NoDatabase(StoreError):
    """A reader was pointed at a database that does not exist. Reading never makes one."""


class ForeignDatabase(StoreError):
    """The file belongs to another program, or to a newer version of ours. It was not altered."""


class DamagedDatabase(StoreError):
    """The file is one of ours but broken; the text says how to recover what is in it."""


class StoreUnavailable(StoreError):
    """Retryable: the database is locked, its disk is full, or it cannot be written just now."""


class StoreUnopenable(StoreUnavailable):
    """The file cannot be made or opened: retryable, but seldom worth waiting for."""


class NoSuchRun(FlujoOtelError):
    """No run answers to this id."""

    def __init__(self, run_id: str, near: Sequence[str] = ()) -> None:
        super().__init__(f"No run {run_id!r}.")
        self.run_id = run_id
        self.near = tuple(near)


class AmbiguousRun(FlujoOtelError):
    """A prefix that names more than one run."""

    def __init__(self, prefix: str, candidates: Sequence[str]) -> None:
        super().__init__(f"{prefix} names {len(candidates)} runs.")
        self.prefix = prefix
        self.candidates = tuple(candidates)


class MalformedTrace(FlujoOtelError, ValueError):
    """A trace tree or record that a caller handed in is not of the agreed shape."""


class MalformedRequest(FlujoOtelError, ValueError):
    """A request's body is no OTLP message of its kind; sending it again is no use."""


class PortTaken(FlujoOtelError):
    """Another program listens there. `holder`: what its /healthz said, where it is one of ours."""

    def __init__(self, message: str, port: int, holder: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.port = port
        self.holder = holder


class Overloaded(FlujoOtelError):
    """What is accepted and not yet stored has reached its bound: retryable, after a while."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(
            f"Too much is waiting to be stored; try again in {retry_after_seconds:.0f} s."
        )
        self.retry_after_seconds = retry_after_seconds


class MissingExtra(FlujoOtelError, ImportError):
    """An optional dependency is missing; the text says what to install."""
