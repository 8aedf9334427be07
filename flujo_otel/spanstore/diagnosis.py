"""The port for `lens doctor`: what `Maintenance.health` does not tell because it has to be tried or
counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Received(NamedTuple):
    """What came in of one service: ended spans, and how many of them were there already."""

    service: str
    received: int
    unchanged: int


class Orphans(NamedTuple):
    """Spans of one service whose parent is not here."""

    service: str
    spans: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out."""

    obstacle: str
    """Why the database takes no writes just now; "" where it takes them."""
    free_bytes: int
    """On the file's disk."""
    services: Sequence[Received]
    """Most received first."""
    orphans: Sequence[Orphans]
    orphans_among: int
    """Of so many spans, the newest, their parents were looked for."""
    unpriced: int
    """Model calls with tokens whose cost nobody knows."""


class Diagnostician(Protocol):
    """Never alters anything."""

    def diagnose(self) -> Diagnosis:
        """Takes at most a few seconds, however large the database is.

        Raises NoDatabase, ForeignDatabase, StoreUnavailable, DamagedDatabase.
        """
        ...
