"""10,000 spans a second for a minute, while another process reads a trace of 10,000 spans in a loop
as `lens trace` does; in batches of 500, in batches of 100, and in batches of 500 with everything
forwarded to a Jaeger.

`python -m benchmarks steady 60` for the real figure; 15 s by default. Bounds: 30 % of a core, none
lost, 150 MB of resident memory, p99 of an answer 250 ms, checkpoints included; forwarding adds 40 %
to the CPU. A read must not stall either: its worst and median are printed.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._cores import LOAD_CORE, SERVER_CORE, on_core
from benchmarks._load import Load, Report, load, run
from benchmarks._usage import cpu_seconds, peak_mb
from tests.peers import jaeger
from tests.peers.collector import Collector
from tests.peers.process import wait_until
from tests.peers.store import run_of, traces

SECONDS = 15
RATE = 10_000
READ_SPANS = 10_000
BATCH = 500
"""As in `peers`, and as SDKs send where there is much: a batch of theirs is full at 512."""
SMALL_BATCH = 100
"""As they send where each has little, every 5 s."""


@dataclass(frozen=True)
class Figure:
    """`share`: of one core, in per cent, from the first request to the last answer."""

    share: float
    peak_mb: float
    lost: int
    report: Report
    reads_ms: list[float]


def measure(server: Collector, seconds: float, batch: int = BATCH) -> Figure:
    """Of a server that runs already, with its reader."""
    (large,) = run(
        Load(
            server.http,
            READ_SPANS,
            batch=READ_SPANS,
            connections=1,
            spans_per_trace=READ_SPANS,
            keep_traces=True,
        )
    ).trace_ids
    stored = sum(traces(server.db).values())
    reads_ms: list[float] = []
    with reading(server.db, run_of(server.db, large), reads_ms):
        pid = server.process.pid
        before = cpu_seconds(pid)
        report = load(
            Load(server.http, round(RATE * seconds), batch=batch, connections=8, rate=RATE)
        )
        share = (cpu_seconds(pid) - before) / report.seconds * 100
    server.wait_until_unpacked()
    lost = stored + report.answered - sum(traces(server.db).values())
    return Figure(share, peak_mb(pid), lost, report, reads_ms)


@contextmanager
def reading(db: Path, run_id: str, took_ms: list[float]) -> Iterator[None]:
    """While this lasts another process reads the run; `took_ms` is filled at the end."""
    reader = subprocess.Popen(
        [*on_core(LOAD_CORE), sys.executable, "-m", "benchmarks._reader", str(db), run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield
    finally:
        took_ms += json.loads(reader.communicate()[0])


def show(name: str, figure: Figure) -> None:
    reads, report = figure.reads_ms, figure.report
    print(
        f"{name}: {figure.share:.0f} % of a core   (bound 30), {figure.peak_mb:.0f} MB"
        f" (bound 150), {figure.lost:,} lost (bound 0),"
        f" p99 of an answer {report.p99_ms:.0f} ms (bound 250), median {report.p50_ms:.1f}, worst"
        f" {report.worst_ms:.0f}"
    )
    print(
        f"  {report.answered / report.seconds:,.0f} spans/s; {len(reads)} reads of {READ_SPANS:,}"
        f" spans: median {reads[len(reads) // 2]:.0f} ms, worst {reads[-1]:.0f} ms",
        flush=True,
    )


def alone(seconds: float, batch: int = BATCH) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        server = Collector(Path(folder), before=on_core(SERVER_CORE))
        server.process.start()
        try:
            return measure(server, seconds, batch)
        finally:
            server.process.kill()


def forwarding(seconds: float) -> Figure:
    """The Jaeger shares the load generator's core, so that the server has its own still."""
    with tempfile.TemporaryDirectory() as folder:
        backend = jaeger.Jaeger(Path(folder) / "jaeger", before=on_core(LOAD_CORE))
        backend.process.start()
        server = Collector(
            Path(folder) / "ours", forward=[backend.http], before=on_core(SERVER_CORE)
        )
        server.process.start()
        try:
            figure = measure(server, seconds)
            started = time.monotonic()
            wait_until("all to be forwarded", lambda: waiting(server) == 0, seconds=120)
            print(f"all forwarded {time.monotonic() - started:.1f} s after the last answer")
            return figure
        finally:
            server.process.kill()
            backend.process.kill()


def waiting(server: Collector) -> int:
    """Spans that are due to the one destination."""
    (status,) = json.loads(server.lens("forward", "--status", "--json"))["destinations"]
    return int(status["lag"])


def main(arguments: list[str]) -> None:
    seconds = float(arguments[0]) if arguments else SECONDS
    print(f"{RATE:,} spans/s for {seconds:.0f} s")
    without = alone(seconds)
    show(f"stored, in batches of {BATCH}", without)
    show(f"stored, in batches of {SMALL_BATCH}", alone(seconds, SMALL_BATCH))
    if not jaeger.BINARY.exists():
        print("no Jaeger to forward to: `make peers` builds it")
        return
    with_forward = forwarding(seconds)
    show("stored and forwarded", with_forward)
    print(f"forwarding adds {100 * (with_forward.share / without.share - 1):.0f} %   (bound 40)")


if __name__ == "__main__":
    main(sys.argv[1:])
