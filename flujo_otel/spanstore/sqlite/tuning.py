"""How a connection that writes uses memory, disk and the write lock."""

from typing import Final, NamedTuple

_MIB: Final = 1 << 20


class Tuning(NamedTuple):
    rows_per_pour: int = 1000
    """Keeps the write lock some 10 ms a pour."""
    cache_bytes: int = 2 * _MIB
    checkpoint_after_bytes: int = 4 * _MIB
    """Of what this process wrote."""
    restart_above_bytes: int = 64 * _MIB
    """A WAL this large means that readers overlap without a gap: now and then one waits for them.
    """

    backfills: bool = False
    """Whether a thread copies most of the WAL beforehand, so that a checkpoint stops writes for a
    tenth of the time."""


TRACED: Final = Tuning()
"""Of a traced process, which spares its host."""

COLLECTOR: Final = Tuning(
    rows_per_pour=8000,
    cache_bytes=40 * _MIB,
    checkpoint_after_bytes=8 * _MIB,
    restart_above_bytes=512 * _MIB,
    backfills=True,
)
"""Of a process that does nothing else. Others' ids are in random order, so a row touches some three
index pages anywhere: in larger pours, with longer between checkpoints, more rows share a page. A
pour touches 40 MB of pages, and what the cache does not hold is written twice. With 2 million spans
stored that takes the rate from 0.31 of an empty store's to 0.63."""
