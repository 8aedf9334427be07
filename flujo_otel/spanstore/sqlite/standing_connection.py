"""A connection that stays open between single small writes, and never waits on the event loop.

To open the file for each write takes 1 ms and more, the write itself 15 us. With `wait=False` a
write that would have to wait, for a lock or because something slow is due, is given up at once: the
caller then makes it again with `wait=True`, in a thread of its own.
"""

import math
import sqlite3
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from flujo_otel import forks
from flujo_otel.errors import StoreUnavailable
from flujo_otel.settings import Durable
from flujo_otel.spanstore.runlog import WouldWait
from flujo_otel.spanstore.sqlite import connection as connections
from flujo_otel.spanstore.sqlite import faults
from flujo_otel.spanstore.sqlite.opened import Opened, open_database

T = TypeVar("T")

_SCRIPT: Final = Path(__file__).with_name("runlog.sql")
_CHECKPOINT_EVERY_BYTES: Final = 4 << 20
_PAGES_BYTES: Final = 16 << 10
"""What a small write puts into the WAL beside its values: the pages that it touches."""
_MOST_AT_ONCE_BYTES: Final = 1 << 20
"""A larger write takes long enough for an event loop to notice."""
_LOOK_EVERY_SECONDS: Final = 0.1
"""How often writes that do not wait see whether the file is in place: after a rest that took a
tenth of a state's time. What waits sees to it each time."""
_FIRST_REST_SECONDS: Final = 0.001
_LONGEST_REST_SECONDS: Final = 0.02


class StandingConnection:
    """To the file at `path`. Safe to use from several threads; they take turns."""

    def __init__(self, path: Path, durable: Durable) -> None:
        self._path = path
        self._durable: Durable = durable
        self.lock = Lock()
        self._box: list[Opened] = []
        """The open database, or nothing. A list, since what closes it at the end must not refer to
        this object."""
        self._written_bytes = 0
        self._seen_at = -math.inf
        self._is_unsafe = False
        # Python 3.13 warns of a connection that is left open.
        weakref.finalize(self, _close_all, self._box)
        forks.join(self)

    def write(
        self, work: Callable[[sqlite3.Connection, int], T], size_bytes: int, *, wait: bool
    ) -> T:
        """Have `work` done with the connection and this process's writer id; it is ONE transaction.

        Raises WouldWait where `wait` is False; else, after 5 s, StoreUnavailable. What sqlite3
        raises is raised as `faults.tell` has it.
        """
        if not wait:
            return self._at_once(work, size_bytes)
        with faults.using(self._path):
            return self._in_turn(work, size_bytes)

    def _in_turn(self, work: Callable[[sqlite3.Connection, int], T], size_bytes: int) -> T:
        deadline = time.monotonic() + connections.BUSY_TIMEOUT_SECONDS
        rest_seconds = _FIRST_REST_SECONDS
        while True:
            try:
                with self.lock:
                    return self._patiently(work, size_bytes)
            except WouldWait:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"{self._path} cannot be used just now: database is locked."
                    ) from None
            time.sleep(rest_seconds)
            rest_seconds = min(2 * rest_seconds, _LONGEST_REST_SECONDS)

    def query(self, query: str, values: Any) -> list[Any] | None:
        """The rows, where the connection is open and nobody uses it just now; else None."""
        if not self.lock.acquire(blocking=False):
            return None
        try:
            if not self._is_open():
                return None
            with faults.using(self._path):
                return self._box[0].connection.execute(query, values).fetchall()
        finally:
            self.lock.release()

    def close(self) -> None:
        """Let go of the file; the next write opens it again."""
        with self.lock:
            _close_all(self._box)

    def _at_once(self, work: Callable[[sqlite3.Connection, int], T], size_bytes: int) -> T:
        is_slow = self._durable == "full" or size_bytes > _MOST_AT_ONCE_BYTES
        if is_slow or not self.lock.acquire(blocking=False):
            raise WouldWait
        try:
            is_due = self._written_bytes > _CHECKPOINT_EVERY_BYTES
            is_recent = time.monotonic() - self._seen_at < _LOOK_EVERY_SECONDS
            if is_due or not (self._box if is_recent else self._is_open()):
                raise WouldWait
            return self._do(work, size_bytes)
        finally:
            self.lock.release()

    def _patiently(self, work: Callable[[sqlite3.Connection, int], T], size_bytes: int) -> T:
        self._open()
        if self._written_bytes > _CHECKPOINT_EVERY_BYTES:
            self._written_bytes = 0
            opened = self._box[0]
            opened.checkpointer.wrote_once(opened.connection)
        return self._do(work, size_bytes)

    def _do(self, work: Callable[[sqlite3.Connection, int], T], size_bytes: int) -> T:
        opened = self._box[0]
        try:
            with opened.turns.writing():
                answer = work(opened.connection, opened.writer_id)
        except StoreUnavailable:  # a checkpoint is under way
            raise WouldWait from None
        except sqlite3.DatabaseError as error:
            if _is_locked(error):
                raise WouldWait from None
            if isinstance(error, sqlite3.OperationalError):
                _close_all(self._box)
            faults.tell(self._path, error)
        self._written_bytes += size_bytes + _PAGES_BYTES
        return answer

    def _is_open(self) -> bool:
        """Whether the file that is open is the one that has the name."""
        is_open = bool(self._box) and not self._is_unsafe and self._box[0].is_in_place
        self._seen_at = time.monotonic() if is_open else -math.inf
        return is_open

    def _open(self) -> None:
        if self._is_unsafe:
            raise StoreUnavailable(
                f"{self._path} was being written when this process was forked; SQLite's locks are "
                "of no use here. Start it with spawn, or write from the parent."
            )
        if self._is_open():
            return
        while self._box:
            self._box.pop().close()
        try:
            self._box.append(self._opened())
        except (StoreUnavailable, sqlite3.OperationalError) as error:
            cause = error.__cause__ if isinstance(error, StoreUnavailable) else error
            if _is_locked(cause):
                raise WouldWait from None
            raise

    def _opened(self) -> Opened:
        opened = open_database(self._path, self._durable, 0.0)
        try:
            opened.connection.executescript(_SCRIPT.read_text(encoding="utf-8"))
        except BaseException:
            opened.close()
            raise
        return opened

    # --- fork --------------------------------------------------------------------------------

    def pause(self) -> bool:
        """See `forks.Participant.pause`."""
        if not self.lock.acquire(timeout=forks.PAUSE_SECONDS):
            return False
        _close_all(self._box)
        return True

    def resume(self) -> None:
        """See `forks.Participant.resume`."""
        self.lock.release()

    def start_over(self, *, safe: bool) -> None:
        """See `forks.Participant.start_over`."""
        self.lock = Lock()
        if not safe:
            forks.leak(tuple(self._box))
            self._box.clear()
            self._is_unsafe = True


def _is_locked(error: BaseException | None) -> bool:
    """Whether somebody else is writing just now; None: it was a checkpoint that is under way."""
    locked = sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED
    code = getattr(error, "sqlite_errorcode", None)
    return error is None or (code is not None and code & 0xFF in locked)


def _close_all(box: list[Opened]) -> None:
    while box:
        with suppress(sqlite3.Error, OSError):
            box.pop().close()
