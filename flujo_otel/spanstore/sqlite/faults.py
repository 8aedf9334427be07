"""What sqlite3 raises, as the errors of the span store."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flujo_otel.errors import DamagedDatabase, StoreUnavailable


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around whatever reads `path`: StoreUnavailable for what may pass, else DamagedDatabase."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path} cannot be read just now: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


class using:
    """Around whatever reads or writes `path`: as `reading`, but an error about the data itself (an
    IntegrityError and the like) passes unchanged."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: Any, _: object) -> None:
        if kind is None or not issubclass(kind, sqlite3.DatabaseError):
            return
        if issubclass(kind, sqlite3.OperationalError):
            raise StoreUnavailable(f"{self._path} cannot be used just now: {error}.") from error
        if kind is sqlite3.DatabaseError:
            raise damaged(self._path, error) from error


def damaged(path: Path, error: sqlite3.DatabaseError | str) -> DamagedDatabase:
    """The error for a file of ours that SQLite finds broken; `error`: what it says of it."""
    return DamagedDatabase(
        f"{path} is damaged: {error}. Keep a copy of it, then try: sqlite3 {path} .recover"
    )
