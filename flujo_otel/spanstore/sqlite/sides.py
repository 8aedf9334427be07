"""What SQLite keeps beside a database while it is open: the WAL and the WAL's index."""

import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_SUFFIXES: Final = ("-wal", "-shm")
_WRITABLE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def sides_of(path: Path) -> list[Path]:
    """Where they are, if they are."""
    return [path.with_name(path.name + suffix) for suffix in _SUFFIXES]


def make_writable(path: Path) -> None:
    """By whom `path` is.

    SQLite makes them with the database's own mode. Whoever read one that was write-protected left
    them so, and nobody could write to it again, whatever its mode was by then.
    """
    with suppress(OSError):
        wanted = path.stat().st_mode & _WRITABLE
        for side in sides_of(path):
            with suppress(OSError):  # not there, or another user's
                mode = side.lstat().st_mode
                if stat.S_ISREG(mode) and wanted & ~mode:
                    side.chmod(stat.S_IMODE(mode) | wanted)
