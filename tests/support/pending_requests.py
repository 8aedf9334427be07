"""Requests that wait for a collector's writer."""

import time
from concurrent.futures import Future

from flujo_otel.collector.received import Received
from flujo_otel.collector.waiting import Pending
from support import otlp


def group(*numbers: int, held_bytes: int = 0) -> list[Pending]:
    """A request of one span for each number."""
    requests = [otlp.request(otlp.span(number)).SerializeToString() for number in numbers]
    received = [Received(body) for body in requests]
    return [Pending(r.decoded(), held_bytes, time.monotonic() + 60, Future(), r) for r in received]
