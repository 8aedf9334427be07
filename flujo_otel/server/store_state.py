"""Whether spans can be stored just now."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flujo_otel.errors import StoreError, StoreUnavailable, StoreUnopenable
from flujo_otel.spanstore.api import SpanWriter

if TYPE_CHECKING:
    from flujo_otel.collector.commit import GroupCommit

_PROBE_SECONDS: Final = 1.0


class StoreState:
    """What the last write said; and after a failed one, since nobody may be sending any more, what
    a try says, at most once a second. Thread-safe: while one thread tries, which may take a second,
    others get what was known before."""

    def __init__(
        self, commit: "GroupCommit", open_store: Callable[[], SpanWriter], error: StoreError | None
    ) -> None:
        self._commit = commit
        self._open_store = open_store
        self._error: StoreError | None = error
        self._seen = self._error
        self._tried_at = time.monotonic()
        self._trying = threading.Lock()

    def now(self) -> StoreError | None:
        """Why they cannot; None: they can."""
        if self._trying.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._trying.release()
        return self._error

    def _look(self) -> None:
        failed = self._commit.unavailable
        if isinstance(failed, StoreError) and failed is not self._seen:
            self._seen = self._error = failed
            self._tried_at = time.monotonic()
        elif self._error is not None and time.monotonic() - self._tried_at > _PROBE_SECONDS:
            try:
                self._error = trouble_of(self._open_store)
            except StoreError as error:
                self._error = error
            self._tried_at = time.monotonic()


def trouble_of(open_store: Callable[[], SpanWriter]) -> StoreUnavailable | None:
    """Why the database takes no writes just now; None: it does, and is there from now on.

    Raises what will not pass: ForeignDatabase, StoreUnopenable and other StoreErrors.
    """
    store = open_store()
    try:
        store.beat()
    except StoreUnopenable:
        raise
    except StoreUnavailable as error:
        return error
    finally:
        store.close()
    return None
