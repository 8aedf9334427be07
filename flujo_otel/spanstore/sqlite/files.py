"""The files that a connection has open, known by what they are: a name may lead elsewhere now."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from flujo_otel.spanstore.sqlite.checkpoint import Turns
from flujo_otel.spanstore.sqlite.sides import sides_of


class Identity(NamedTuple):
    device: int
    inode: int
    is_empty: bool
    """As somebody makes it with truncate, or with cp, for a moment."""

    def is_same(self, other: "Identity | None") -> bool:
        """Whether it is that very file, whatever is in it by now."""
        return other is not None and self[:2] == other[:2]


class Files(NamedTuple):
    """The database, and what lies beside it while it is open: its WAL and the WAL's index."""

    path: Path
    database: Identity | None
    sides: tuple[tuple[Path, Identity | None], ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Those that a connection has open which was just made and has read."""
        sides = tuple((side, _identity(side)) for side in sides_of(path))
        return cls(path, _identity(path), sides)

    @property
    def are_in_place(self) -> bool:
        """Whether the database was not renamed, deleted, replaced or emptied since."""
        return _identity(self.path) == self.database

    def leave(self, connection: sqlite3.Connection, turns: Turns) -> None:
        """To be called before `connection` is closed; does nothing where they are in place.

        The WAL lies beside the database's old name and would be replayed into whatever is there now
        (a stranger's database was destroyed so). What it holds belongs to the file that we have
        open, wherever that is now; an emptied one must not get it back.
        """
        now = _identity(self.path)
        if now == self.database:
            return
        with suppress(OSError, sqlite3.Error):
            if now is not None and now.is_empty and now.is_same(self.database):
                self.path.unlink()
            else:
                with turns.checkpointing():
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        # Where another process noticed first, it has made a new file, whose WAL has that name now.
        # Before the close: till then no new file can have the number of one of ours.
        for side, identity in self.sides:
            found = _identity(side)
            if found is not None and found.is_same(identity):
                with suppress(OSError):
                    side.unlink()


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Identity(status.st_dev, status.st_ino, status.st_size == 0)
