"""What sqlite3 raises, as the errors of the span store."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

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


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Around whatever reads or writes `path`: what sqlite3 raises, as `tell` has it."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        tell(path, error)


def tell(path: Path, error: sqlite3.DatabaseError) -> NoReturn:
    """Raise what `reading` does for `error`; one about the data itself (an IntegrityError and the
    like) as it is."""
    if isinstance(error, sqlite3.OperationalError):
        raise StoreUnavailable(f"{path} cannot be used just now: {error}.") from error
    if type(error) is sqlite3.DatabaseError:
        raise damaged(path, error) from error
    raise error


def damaged(path: Path, error: sqlite3.DatabaseError | str) -> DamagedDatabase:
    """The error for a file of ours that SQLite finds broken; `error`: what it says of it."""
    return DamagedDatabase(
        f"{path} is damaged: {error}. Keep a copy of it, then try: sqlite3 {path} .recover"
    )
