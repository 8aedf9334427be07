"""How much is held, for how long, and how much is written at once."""

import os
from dataclasses import dataclass
from typing import Final

from flujo_otel.errors import SettingsError
from flujo_otel.settings import DEFAULT, Settings

BATCH_SPANS: Final = 1000
"""What the store commits in one transaction: a fork or the end of the process waits for no more."""
BATCH_BYTES: Final = 16 * 1024 * 1024
"""A batch is made into records, which are as large again: the bound may not be doubled by it."""
EXIT_SECONDS: Final = 5.0
"""How long a normal exit waits for a store that does not accept writes."""
SLOW_EXIT_SECONDS: Final = 25.0
"""How much longer for one that does, of which a busy machine's 64 MiB may need some."""
TERMINATION_SECONDS: Final = 2.0
BUSY_SECONDS: Final = 0.05
"""How long one write waits for another process's: batches are retried anyhow, and a fork must come
in between (with SQLite's usual 5 s, children were forked while a write was waiting)."""
WAIT_SECONDS: Final = 1.0
"""The longest that a span's end may take where the queue is full."""
STALL_SECONDS: Final = 0.25
"""Without progress for so long, the writer counts as stalled and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one writer. `queue_spans` None: bytes alone bound the queue."""

    queue_bytes: int
    flush_interval_seconds: float
    batch_spans: int = BATCH_SPANS
    queue_spans: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """From our settings; OTEL_BSP_* (OpenTelemetry's, in ms and spans) apply where set.

        Raises SettingsError for a variable that is no positive whole number.
        """
        delay_ms = _variable("OTEL_BSP_SCHEDULE_DELAY")
        interval = settings.flush_interval_seconds
        if delay_ms is not None and settings.origin("flush_interval_seconds") == DEFAULT:
            interval = delay_ms / 1000
        return cls(
            settings.queue_bytes,
            interval,
            _variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") or BATCH_SPANS,
            _variable("OTEL_BSP_MAX_QUEUE_SIZE"),
        )


def _variable(name: str) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not text.strip().isdecimal() or int(text) == 0:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number above 0.")
    return int(text)
