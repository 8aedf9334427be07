"""A process, as the store knows those that write to it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One process and no other: a pid alone may be another process tomorrow."""

    host: str
    pid: int
    process_start: str
    """The process's own start time as its system words it; equal for the same process only."""
    command: str
