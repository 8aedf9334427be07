"""SIGKILL right after the last answer: how many of the traces that were answered for are missing
after a restart, of us and of Jaeger with Badger.

Bound: none of ours. Every trace is a request of its own, 10 spans in it.
"""

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks._load import Load, run
from tests.peers import jaeger
from tests.peers.collector import Collector
from tests.peers.store import traces

TRACES = 2_500
SPANS = 10


def kill_after_the_last_answer(server: Collector | jaeger.Jaeger) -> list[str]:
    """The ids of the traces that it answered for, once it is up again."""
    server.process.start()
    what = Load(server.http, TRACES * SPANS, batch=SPANS, spans_per_trace=SPANS, keep_traces=True)
    # Sent from this process: a generator of its own would take 50 ms to end, and a lazy server
    # would have stored a good deal by then.
    answered = run(what).trace_ids
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.kill()
    server.process.start()
    return answered


def missing(answered: list[str], count: Callable[[str], int]) -> int:
    """Traces of which a span is missing."""
    return sum(count(trace_id) < SPANS for trace_id in answered)


def ours() -> int:
    with tempfile.TemporaryDirectory() as folder:
        server = Collector(Path(folder))
        try:
            answered = kill_after_the_last_answer(server)
            server.wait_until_unpacked()
            stored = traces(server.db)
        finally:
            server.process.kill()
    return missing(answered, lambda trace_id: stored.get(trace_id, 0))


def of_jaeger() -> int:
    with tempfile.TemporaryDirectory() as folder:
        server = jaeger.Jaeger(Path(folder), badger=True, answers_first=True)
        try:
            return missing(kill_after_the_last_answer(server), server.count)
        finally:
            server.process.kill()


def main() -> None:
    print(f"ours: {ours():,} of {TRACES:,} traces missing after SIGKILL   (bound 0)")
    if jaeger.BINARY.exists():
        lost = of_jaeger()
        print(f"Jaeger, Badger: {lost:,} of {TRACES:,}, {100 * lost / TRACES:.1f} %")
    else:
        print("no Jaeger to compare with: `make peers` builds it")


if __name__ == "__main__":
    main()
