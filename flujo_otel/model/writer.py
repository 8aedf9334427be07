"""A process that writes to the store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Writer:
    """Names a process for as long as it lives: a pid alone may be another process tomorrow."""

    host: str
    pid: int
    process_start: str
    """The process's own start time as its system words it; equal for the same process only."""
    command: str
