"""A database watched live: it may be made later, deleted, or replaced by another meanwhile."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from flujo_otel.errors import NoDatabase, StoreError, StoreUnavailable
from flujo_otel.spanstore.changes import ChangeFeed, ChangePage
from flujo_otel.spanstore.factory import open_change_feed

T = TypeVar("T")


class Follower:
    """A position in whatever database is there. `since_ns` None: from now on."""

    def __init__(self, db: str | None, since_ns: int | None = None) -> None:
        self._db = db
        self._since_ns = since_ns
        self._started_ns = time.time_ns()
        self._feed: ChangeFeed | None = None
        self._position: int | None = None

    @property
    def is_open(self) -> bool:
        return self._feed is not None

    def open(self) -> bool:
        """Whether there is a database now. Raises SettingsError, ForeignDatabase, StoreError."""
        if self._feed is not None:
            return True
        try:
            feed = open_change_feed(self._db)
            if self._position is None:
                self._position = self._first(feed)
        except NoDatabase:
            self._position = 0  # all that the one made later holds is new
            return False
        except StoreUnavailable:
            return False
        self._feed = feed
        return True

    def next(self, ask: Callable[[ChangeFeed, int], ChangePage[T]]) -> tuple[Sequence[T], bool]:
        """What changed since the last call, and whether that is all for now.

        Raises what `open` raises, and DamagedDatabase.
        """
        if not self.open():
            return (), True
        assert self._feed is not None and self._position is not None
        try:
            page = ask(self._feed, self._position)
        except StoreError as error:
            if not self._feed.is_current():
                self._begin_anew()
            elif isinstance(error, StoreUnavailable):
                self.close()
            else:
                raise
            return (), True
        self._position = page.position
        if page.is_last and not self._feed.is_current():
            self._begin_anew()
        return page.items, page.is_last

    def _begin_anew(self) -> None:
        """With another file: only what is newer than we are, since it may be a copy of another."""
        self.close()
        self._position = None
        self._since_ns = self._since_ns or self._started_ns

    def close(self) -> None:
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _first(self, feed: ChangeFeed) -> int:
        return feed.position() if self._since_ns is None else feed.position_at(self._since_ns)
