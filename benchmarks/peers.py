"""Ingest until it is answered for, ours against Jaeger with Badger in the same run.

Bounds: over 600,000 spans (`python -m benchmarks peers 600000`; fewer by default) at least 1.8
times Jaeger's rate at a tenth of its memory; gRPC at least 0.8 of our HTTP rate, JSON 0.35.

One core for the server, another for the load generator; 500 spans a request, each with 5 attributes
and random ids. We answer after the commit, Jaeger before it stores (so it ships). Where more comes
than can be made rows, requests are committed as they came; `rows` is the rate until the last span
is one, and can be seen.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks._cores import SERVER_CORE, on_core
from benchmarks._load import Load, Protocol, load
from benchmarks._usage import cpu_seconds, peak_mb, settle
from tests.peers import jaeger
from tests.peers.collector import Collector

SPANS = 100_000


@dataclass(frozen=True)
class Figure:
    """`rows_per_second`: until the last span was a row. `cpu_us`: of the server, per span, until it
    had settled."""

    per_second: float
    rows_per_second: float
    cpu_us: float
    peak_mb: float
    p99_ms: float


def measure(server: Collector | jaeger.Jaeger, protocol: Protocol, spans: int) -> Figure:
    """Of one server, started for it and stopped after it."""
    server.process.start()
    try:
        pid = server.process.pid
        before = cpu_seconds(pid)
        endpoint = server.grpc if protocol == "grpc" else server.http
        report = load(Load(endpoint, spans, protocol))
        answered = time.monotonic()
        if isinstance(server, Collector):
            server.wait_until_unpacked()
        unpacking_seconds = time.monotonic() - answered
        settle(pid)
        return Figure(
            report.per_second,
            report.answered / (report.seconds + unpacking_seconds),
            (cpu_seconds(pid) - before) / report.answered * 1e6,
            peak_mb(pid),
            report.p99_ms,
        )
    finally:
        server.process.kill()


def show(name: str, figure: Figure) -> None:
    print(
        f"{name:>22} {figure.per_second:>9,.0f} spans/s {figure.rows_per_second:>9,.0f} rows/s"
        f" {figure.cpu_us:>6.1f} us CPU a span"
        f" {figure.peak_mb:>7,.0f} MB at most {figure.p99_ms:>7.0f} ms p99",
        flush=True,
    )


def ours(spans: int) -> dict[Protocol, Figure]:
    """Of each protocol, into a database of its own."""
    figures: dict[Protocol, Figure] = {}
    protocols: tuple[Protocol, ...] = ("http", "grpc", "json")
    for protocol in protocols:
        with tempfile.TemporaryDirectory() as folder:
            server = Collector(Path(folder), before=on_core(SERVER_CORE))
            figures[protocol] = measure(server, protocol, spans)
            show(f"ours, {protocol}", figures[protocol])
    return figures


def baseline(spans: int) -> Figure | None:
    if not jaeger.BINARY.exists():
        print("no Jaeger to compare with: `make peers` builds it")
        return None
    with tempfile.TemporaryDirectory() as folder:
        server = jaeger.Jaeger(
            Path(folder), badger=True, answers_first=True, before=on_core(SERVER_CORE)
        )
        figure = measure(server, "http", spans)
    show("Jaeger, Badger, http", figure)
    return figure


def main(arguments: list[str]) -> None:
    spans = int(arguments[0]) if arguments else SPANS
    print(f"{spans:,} spans")
    figures, peer = ours(spans), baseline(spans)
    http = figures["http"]
    print(f"gRPC / HTTP: {figures['grpc'].per_second / http.per_second:.2f}   (bound 0.8)")
    print(f"JSON / HTTP: {figures['json'].per_second / http.per_second:.2f}   (bound 0.35)")
    if peer is not None:
        print(f"ours / Jaeger: {http.per_second / peer.per_second:.2f}   (bound 1.8)")
        print(f"memory, ours / Jaeger: {http.peak_mb / peer.peak_mb:.2f}   (bound 0.1)")


if __name__ == "__main__":
    main(sys.argv[1:])
