"""How the writer's thread shares the interpreter with the traced program."""

import time
from collections.abc import Iterator
from typing import Final

from flujo_otel.wire.span_snapshot import SpanSnapshot
from flujo_otel_exporter.intake import Intake

_SLICE_SECONDS: Final = 0.0005
_LOOK_EVERY: Final = 16
"""Spans between two looks at the clock."""
_REST_SECONDS: Final = 0.00005
_REST_BUDGET_SECONDS: Final = 0.05
_CROWDED_REST_SECONDS: Final = 0.01
"""A rest this long means that several threads are busy, and a batch would take for ever."""
_CROWD_LASTS_SECONDS: Final = 1.0
"""For so long after that no more are taken."""


class Pace:
    """Hands spans on for conversion, and rests now and then.

    A thread in pure Python keeps the GIL for 5 ms at a time otherwise, and for so long the traced
    program would stand still. Each rest lasts until the GIL is won back, 5 ms for each busy thread,
    so a batch has only so much time for them; none where producers will soon have to wait for the
    writer.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._crowded_until_seconds = 0.0
        self.in_haste = False
        """Somebody waits for the writer to stand still: no rests."""

    def paced(self, spans: list[SpanSnapshot]) -> Iterator[SpanSnapshot]:
        """`spans`, with rests between them."""
        started = time.perf_counter()
        rests_end = started + _REST_BUDGET_SECONDS if started > self._crowded_until_seconds else 0.0
        slice_end = started + _SLICE_SECONDS
        for first in range(0, len(spans), _LOOK_EVERY):
            yield from spans[first : first + _LOOK_EVERY]
            now = time.perf_counter()
            if slice_end < now < rests_end and not (self.in_haste or self._intake.is_filling):
                self._intake.progress()
                time.sleep(_REST_SECONDS)
                slice_end = time.perf_counter() + _SLICE_SECONDS
                if slice_end - now > _CROWDED_REST_SECONDS:
                    rests_end = 0.0
                    self._crowded_until_seconds = slice_end + _CROWD_LASTS_SECONDS
