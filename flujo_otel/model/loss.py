"""A line of the ledger: spans that did not arrive whole, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """`count` spans (or values) met `reason` between the two times (Unix nanoseconds).

    `reason` is one word of docs/ledger.md: `queue_full`, `rejected`, `id_reused`, ...
    """

    service: str
    reason: str
    detail: str
    count: int
    first_time_ns: int
    last_time_ns: int
