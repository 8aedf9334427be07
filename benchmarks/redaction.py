"""What redaction costs, as a ratio to doing the same without it.

Bound: 2 us for a span of 5 ordinary attributes; none on what the collector takes without --redact.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from benchmarks._load import Load, Requests
from flujo_otel.recording.json_text import as_json
from flujo_otel.redaction import Redactor, use
from flujo_otel.wire.otlp import decode_protobuf

CALLS = 2_000
ROUNDS = 15
ATTRIBUTES: dict[str, Any] = {
    "http.request.method": "GET",
    "url.full": "http://localhost:8080/api/users/42?page=3",
    "http.response.status_code": 200,
    "server.address": "localhost",
    "user.note": "classify the request",
}
PROSE = "Please summarise the article by the author about token rings, and how passwords changed. "
CONTEXT = {
    "initial_prompt": PROSE * 4,
    "scratchpad": {
        "status": "running",
        "steps": [{"name": f"s{n}", "tokens": n} for n in range(20)],
    },
}
ON, OFF = Redactor(), Redactor(enabled=False)


def micro(work: Callable[[], object], calls: int = CALLS) -> float:
    """CPU microseconds of one call."""
    started = time.thread_time()
    for _ in range(calls):
        work()
    return (time.thread_time() - started) / calls * 1e6


def compare(
    name: str, off: Callable[[], object], on: Callable[[], object], calls: int = CALLS
) -> None:
    """Medians of rounds that take turns."""
    pairs = [(micro(off, calls), micro(on, calls)) for _ in range(ROUNDS)]
    without, with_it = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio, more = with_it / without, with_it - without
    print(
        f"{name:<44} {without:>9.2f} {with_it:>9.2f} us  x {ratio:.2f}  +{more:.2f} us", flush=True
    )


class Fresh:
    """Attributes whose texts nobody has seen before."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self) -> dict[str, Any]:
        self._number += 1
        url = f"http://localhost:8080/api/users/{self._number}?page=3"
        return {**ATTRIBUTES, "url.full": url, "user.note": f"classify request {self._number}"}


def spans() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("benchmark")

    def span(redactor: Redactor, attributes: Callable[[], dict[str, Any]]) -> Callable[[], None]:
        return lambda: tracer.start_span("op", attributes=redactor.attributes(attributes())).end()

    fresh = Fresh()
    compare(
        "span, 5 attributes that come again", span(OFF, ATTRIBUTES.copy), span(ON, ATTRIBUTES.copy)
    )
    compare("span, 2 of its 5 attributes new", span(OFF, fresh), span(ON, fresh))


def contents() -> None:
    def recorded(redactor: Redactor, value: object) -> Callable[[], None]:
        def record() -> None:
            use(redactor)
            as_json(value, 64 * 1024)

        return record

    size = len(json.dumps(CONTEXT))
    compare(f"a context of {size:,} bytes", recorded(OFF, CONTEXT), recorded(ON, CONTEXT))
    for length in (100, 10_000):
        text = (PROSE * 200)[:length]
        compare(f"a text of {length:,} characters", recorded(OFF, text), recorded(ON, text))
    many = json.dumps([CONTEXT] * 8)
    compare(f"JSON in a text of {len(many):,} bytes", recorded(OFF, many), recorded(ON, many), 200)


def collector() -> None:
    body, _ = Requests(Load("", 0)).next()
    compare(
        "decoding a request of 500 spans",
        lambda: decode_protobuf(body),
        lambda: decode_protobuf(body, ON),
        20,
    )


def hostile() -> None:
    worst = max(
        (micro(partial(ON.text, unit * (100_000 // len(unit))), 1) / 100, unit)
        for unit in ("password: ", "://", "keykey=", "4 ", "sk-a", '{"token":{', "\\", "a")
    )
    print(f"the slowest of the hostile: {worst[0]:.2f} us for 1,000 characters of {worst[1]!r}")


def main() -> int:
    print(f"{'':<44} {'without':>9} {'with':>9}")
    spans()
    contents()
    collector()
    hostile()
    return 0


if __name__ == "__main__":
    sys.exit(main())
