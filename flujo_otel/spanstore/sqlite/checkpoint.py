"""From the WAL into the database: when, and beside whom.

SQLite before 3.51.3 (but for 3.44.6 and later and 3.50.7 and later of their branches) can corrupt
a database when a checkpoint and a writer meet while the WAL starts anew. There, writes hold a lock
file shared and a checkpoint holds it alone. A writer never waits for another writer that way: with
the writers exclusive, waits of 3 s were measured; shared costs nothing.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Final

from flujo_otel.errors import StoreUnavailable
from flujo_otel.spanstore.sqlite.backfill import Backfill
from flujo_otel.spanstore.sqlite.tuning import TRACED, Tuning

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks are all there is
    fcntl = None  # type: ignore[assignment]

_RESTART_EVERY_SECONDS: Final = 5.0
"""Of a WAL that is overgrown: writers stand still while it waits for readers."""
_RESTART_WAIT_MS: Final = 100
_QUIET_SECONDS: Final = 60.0
"""Since the last checkpoint: whoever writes so little does without the WAL's space."""
WAIT_SECONDS: Final = 5.0
"""For a checkpoint under way; as SQLite's busy timeout, `connection.BUSY_TIMEOUT_SECONDS`."""
_STEP_SECONDS: Final = 0.001
_TRY_AGAIN: Final = (errno.EWOULDBLOCK, errno.EINTR)
_SHARED: Final = 0 if fcntl is None else fcntl.LOCK_SH | fcntl.LOCK_NB
_NO_LOCK: Final = nullcontext()


def has_wal_reset_fault(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite library has the WAL-reset fault."""
    fixed_branch = version[:2] == (3, 44) and version >= (3, 44, 6)
    fixed_branch |= version[:2] == (3, 50) and version >= (3, 50, 7)
    return version < (3, 51, 3) and not fixed_branch


class Turns:
    """The lock file beside the database: shared for writes, exclusive for a checkpoint."""

    def __init__(self, database: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self._path = database.with_name(database.name + "-lock")
        self._wait_seconds = wait_seconds
        self._fd: int | None = None
        self._needed = fcntl is not None and has_wal_reset_fault()
        self._shared: _Shared | None = None

    def writing(self) -> AbstractContextManager[None]:
        """Hold the lock shared; entering waits for a checkpoint under way.

        Raises StoreUnavailable where that takes longer than `wait_seconds`: its process may have
        been stopped in the middle of it.
        """
        if not self._needed:
            return _NO_LOCK
        if self._shared is None:
            self._shared = _Shared(self._open(), self._wait_seconds, self._path)
        return self._shared

    @contextmanager
    def checkpointing(self) -> Iterator[bool]:
        """Hold the lock alone; False, and not held, where anybody writes just now."""
        if not self._needed:
            yield True
            return
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody writes; or this file system has no such locks
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file. Needed before a fork: a child would share the lock itself."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = self._shared = None

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        return self._fd


class _Shared:
    """The lock file, held shared. A class, since a generator takes three times as long: it is
    around every state of flujo's."""

    __slots__ = ("_error", "_fd", "_flock", "_path", "_wait_seconds")

    def __init__(self, fd: int, wait_seconds: float, path: Path) -> None:
        self._fd = fd
        self._wait_seconds = wait_seconds
        self._path = path
        self._flock, self._error = _c_library()

    def __enter__(self) -> None:
        if self._flock(self._fd, _SHARED) != 0:
            self._wait()

    def __exit__(self, *_: object) -> None:
        self._flock(self._fd, fcntl.LOCK_UN)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while True:
            error = self._error()
            if error not in _TRY_AGAIN:
                raise StoreUnavailable(f"{self._path} cannot be locked: {os.strerror(error)}.")
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"{self._path} is held by a checkpoint that does not end.")
            time.sleep(_STEP_SECONDS)
            if self._flock(self._fd, _SHARED) == 0:
                return


@cache
def _c_library() -> tuple[Callable[[int, int], int], Callable[[], int]]:
    """Its flock(2), which answers 0 when all is well, and the number of this thread's last error.

    Called with the GIL held: fcntl.flock lets go of it for these 0.3 us, and to get it back takes 5
    ms for each busy thread of the program, twice a batch.
    """
    import ctypes

    return ctypes.PyDLL(None, use_errno=True).flock, ctypes.get_errno


class Checkpointer:
    """Decides after each write of one connection whether the WAL is due. `backfill` does most of
    the work where it is given."""

    def __init__(
        self,
        database: Path,
        turns: Turns,
        tuning: Tuning = TRACED,
        backfill: Backfill | None = None,
    ) -> None:
        self._tuning = tuning
        self._backfill = backfill
        self._is_backfilled = False
        self._wal = database.with_name(database.name + "-wal")
        self._turns = turns
        self._written_bytes = 0
        self._restart_from = 0.0
        self._completed_at = 0.0

    def wrote(self, connection: sqlite3.Connection, size_bytes: int) -> None:
        """Note a committed write; checkpoint where it is time. Never raises for a busy database."""
        self._written_bytes += size_bytes
        if self._written_bytes >= self._tuning.checkpoint_after_bytes:
            self._checkpoint(connection)

    def wrote_once(self, connection: sqlite3.Connection) -> None:
        """The same for a connection that is opened for one write: it goes by the WAL's size."""
        if self._wal_bytes() >= self._tuning.checkpoint_after_bytes:
            self._checkpoint(connection)

    def empty(self, connection: sqlite3.Connection) -> None:
        """Give the WAL's disk space back, unless somebody is at it just now."""
        with self._turns.checkpointing() as alone, suppress(sqlite3.OperationalError):
            if alone:
                self._restart(connection, "TRUNCATE")

    def close(self) -> None:
        """Have nothing of ours at work."""
        if self._backfill is not None:
            self._backfill.join()

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        if self._backfill is not None and self._backfill.is_running:
            return
        # A RuntimeError: no thread to be had for the backfill; the checkpoint does it all then.
        faults = sqlite3.OperationalError, RuntimeError
        with self._turns.checkpointing() as alone, suppress(*faults):
            if not alone:
                return
            if self._backfill is None or self._is_backfilled:
                self._complete(connection)
            else:
                self._is_backfilled = True
                self._backfill.start(connection)

    def _complete(self, connection: sqlite3.Connection) -> None:
        self._is_backfilled = False
        self._written_bytes = 0
        if self._is_overgrown():
            # TRUNCATE is RESTART that also gives the disk space back: 0.3 s for 700 MB, which the
            # next writes would take again where there are many.
            is_quiet = time.monotonic() - self._completed_at > _QUIET_SECONDS
            self._restart(connection, "TRUNCATE" if is_quiet else "RESTART")
        else:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._completed_at = time.monotonic()

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0

    def _is_overgrown(self) -> bool:
        is_time = time.monotonic() >= self._restart_from
        return is_time and self._wal_bytes() > self._tuning.restart_above_bytes

    def _restart(self, connection: sqlite3.Connection, mode: str) -> None:
        self._restart_from = time.monotonic() + _RESTART_EVERY_SECONDS
        waits = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        connection.execute(f"PRAGMA busy_timeout = {_RESTART_WAIT_MS}")
        try:
            connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {waits}")
