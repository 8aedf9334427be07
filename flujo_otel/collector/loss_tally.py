"""Lines for the ledger, added up until the store takes them."""

from collections.abc import Iterable
from dataclasses import replace
from threading import Lock
from typing import Final

from flujo_otel.model import Loss

_LINES: Final = 1000
_SERVICE_CHARACTERS: Final = 200
_OTHERS: Final = "(other services)"
"""Names come over the wire: past so many different lines the rest are counted together."""


class LossTally:
    """Thread-safe; bounded, whatever names come over the wire."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, str], Loss] = {}
        self._lock = Lock()

    def add(self, losses: Iterable[Loss]) -> None:
        """Count these as well."""
        with self._lock:
            for loss in losses:
                self._add(loss)

    def take(self) -> list[Loss]:
        """All of it; `add` it again if it cannot be written."""
        with self._lock:
            lines, self._lines = self._lines, {}
        return list(lines.values())

    def _add(self, loss: Loss) -> None:
        service = loss.service[:_SERVICE_CHARACTERS]
        key = service, loss.reason, loss.detail
        if key not in self._lines and len(self._lines) >= _LINES:
            key = _OTHERS, loss.reason, loss.detail
        known = self._lines.get(key, loss)
        self._lines[key] = replace(
            loss,
            service=key[0],
            count=loss.count + (known.count if known is not loss else 0),
            first_time_ns=min(loss.first_time_ns, known.first_time_ns),
            last_time_ns=max(loss.last_time_ns, known.last_time_ns),
        )
