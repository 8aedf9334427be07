"""A traced program that keeps the processor busy in pure Python: does its writer still get through,
and does the program notice?

Bounds: a batch of 2,000 spans is committed within 0.5 s of its flush, the program runs at 0.9 of
its speed or more, the database's write lock is held for 20 ms or less at p99.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

BATCH = 2000
ROUNDS = 7
ATTRIBUTES = {"a": "hello", "http.method": "GET", "n": 42, "f": 1.5, "b": True}

POLL = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
locked_since, held = None, []
print("ready", flush=True)
while not sys.stdin in __import__("select").select([sys.stdin], [], [], 0)[0]:
    now = time.perf_counter()
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        if locked_since is not None:
            held.append(now - locked_since)
        locked_since = None
    except sqlite3.OperationalError:
        locked_since = locked_since or now
    time.sleep(0.0005)
held.sort()
print(held[min(int(len(held) * 0.99), len(held) - 1)] if held else 0.0)
"""


class Load:
    """Threads that count in pure Python, and how fast they do."""

    def __init__(self, threads: int) -> None:
        self.counts = [0] * threads
        self._going = True
        self._threads = [
            threading.Thread(target=self._count, args=(index,)) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _count(self, index: int) -> None:
        while self._going:
            for _ in range(1000):
                pass
            self.counts[index] += 1

    def speed(self, seconds: float) -> float:
        before, started = sum(self.counts), time.perf_counter()
        time.sleep(seconds)
        return (sum(self.counts) - before) / (time.perf_counter() - started)

    def stop(self) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()


def measure(threads: int, folder: Path) -> dict[str, float]:
    """Commit times of batches, the program's speed, and the lock, beside so many busy threads."""
    exporter = SQLiteSpanExporter(folder / f"{threads}.db")
    provider = TracerProvider(id_generator=TimeOrderedIdGenerator(), shutdown_on_exit=False)
    provider.add_span_processor(LiveSpanProcessor(exporter))
    tracer = provider.get_tracer("benchmark")
    _make(tracer, BATCH)
    provider.force_flush()
    poll = subprocess.Popen(
        [sys.executable, "-c", POLL, str(folder / f"{threads}.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert poll.stdout is not None
    poll.stdout.readline()
    load = Load(threads)
    try:
        commits, ratios = [], []
        for _ in range(ROUNDS):
            alone = load.speed(1.0)
            _make(tracer, BATCH)
            started = time.perf_counter()
            flushed = threading.Thread(target=provider.force_flush)
            flushed.start()
            beside = load.speed(1.0)
            ratios.append(beside / alone)
            flushed.join()
            _make(tracer, BATCH)
            started = time.perf_counter()
            provider.force_flush()
            commits.append(time.perf_counter() - started)
    finally:
        load.stop()
        held_seconds = float(poll.communicate("stop\n")[0])
    provider.shutdown()
    return {
        "commit_seconds": statistics.median(commits),
        "slowest_commit_seconds": max(commits),
        "speed_ratio": statistics.median(ratios),
        "lock_p99_seconds": held_seconds,
    }


def _make(tracer: Tracer, count: int) -> None:
    with tracer.start_as_current_span("run"):
        for _ in range(count - 1):
            tracer.start_span("op", attributes=ATTRIBUTES).end()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'busy threads':>12} {'commit':>9} {'slowest':>9} {'speed':>6} {'lock p99':>9}")
        for threads in (1, 4):
            got = measure(threads, Path(folder))
            print(
                f"{threads:>12} {got['commit_seconds'] * 1e3:>6.0f} ms"
                f" {got['slowest_commit_seconds'] * 1e3:>6.0f} ms {got['speed_ratio']:>6.2f}"
                f" {got['lock_p99_seconds'] * 1e3:>6.1f} ms"
            )
        print("bounds: commit <= 500 ms, speed >= 0.90, lock <= 20 ms")


if __name__ == "__main__":
    main()
