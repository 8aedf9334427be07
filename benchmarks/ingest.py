"""What the number of stored spans does to the rate of the next ones, with ids in random order.

Bound: with 2,000,000 spans stored, a server takes at least 0.5 of the rate that it takes into an
empty database (over OTLP/HTTP in requests of 500 spans, on one core), with 150 MB at most.

Beside it, in this process, what decoding costs: it bounds every rate.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._cores import SERVER_CORE, on_core
from benchmarks._load import Load, Protocol, Requests, load
from benchmarks._usage import cpu_seconds, peak_mb
from flujo_otel.wire.otlp import Decoded, decode_protobuf
from flujo_otel.wire.otlp_json import decode_json
from tests.peers.collector import Collector

STORED = 2_000_000
SPANS = 100_000
ROUNDS = 50


def decoding(protocol: Protocol, decode: Callable[[bytes], Decoded]) -> None:
    """Print microseconds a span, the best of several requests."""
    what = Load("", 0, protocol)
    requests, took = Requests(what), []
    for _ in range(ROUNDS):
        body, _ = requests.next()
        started = time.perf_counter()
        decode(body)
        took.append(time.perf_counter() - started)
    print(f"decoding, {protocol}: {min(took) / what.batch * 1e6:.1f} us a span", flush=True)


def rate(server: Collector, spans: int) -> float:
    """Spans per second until each is a row, the next so many."""
    before = cpu_seconds(server.process.pid)
    report = load(Load(server.http, spans))
    answered = time.monotonic()
    server.wait_until_unpacked(600)
    rows_per_second = report.answered / (report.seconds + time.monotonic() - answered)
    cpu_us = (cpu_seconds(server.process.pid) - before) / report.answered * 1e6
    print(
        f"{report.per_second:>10,.0f} spans/s {rows_per_second:>10,.0f} rows/s"
        f" {cpu_us:>6.1f} us CPU a span {report.p99_ms:>6.0f} ms p99"
        f" {peak_mb(server.process.pid):>5.0f} MB at most",
        flush=True,
    )
    return rows_per_second


def main(arguments: list[str]) -> None:
    stored = int(arguments[0]) if arguments else STORED
    decoding("http", decode_protobuf)
    decoding("json", decode_json)
    with tempfile.TemporaryDirectory() as folder:
        server = Collector(Path(folder), before=on_core(SERVER_CORE))
        server.process.start()
        try:
            print("into an empty database:")
            empty = rate(server, SPANS)
            print(f"up to {stored:,} spans:")
            rate(server, stored - SPANS)
            print(f"with {stored:,} spans stored:")
            full = rate(server, SPANS)
        finally:
            server.process.kill()
    print(f"full / empty: {full / empty:.2f}   (bound 0.5)")


if __name__ == "__main__":
    main(sys.argv[1:])
