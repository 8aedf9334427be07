"""Our SQLiteBackend for runners that are given no state backend."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flujo_otel import settings
from flujo_otel.guard import guarded

if TYPE_CHECKING:
    from flujo_otel.storage.sqlite import SQLiteBackend

_TEST_MODE: Final = "FLUJO_TEST_MODE"
_SQLITE: Final = "sqlite"


class DefaultBackend:
    """One backend for each database, shared by the runners: it serves concurrent runs.

    `db`: which file; None: what the settings name when a runner is made.
    """

    def __init__(self, db: str | Path | None) -> None:
        self._db = db
        self._made: dict[Path, SQLiteBackend] = {}

    def is_wanted(self, said: bool | None) -> bool:
        """Whether to give it at all: as `said`; None: as the settings say."""
        if said is not None:
            return said
        with guarded("reading the settings"):
            return settings.load().replace_default_backend
        return False

    def give(self, arguments: dict[str, Any]) -> None:
        """Put the backend into a runner's keyword arguments, unless they, or what flujo is told
        otherwise, name another: none at all, one in memory, another kind of database."""
        if arguments.get("state_backend") is not None or not arguments.get("persist_state", True):
            return
        if os.environ.get(_TEST_MODE, "").strip().lower() in ("1", "true", "yes", "on"):
            return
        uri = settings.load().state_uri
        if uri is not None and "://" in uri and not uri.startswith(_SQLITE):
            return
        arguments["state_backend"] = self._backend()

    def _backend(self) -> "SQLiteBackend":
        from flujo_otel.integrations.flujo.backend import SQLiteBackend

        backend = SQLiteBackend(self._db)
        return self._made.setdefault(backend.path, backend)
