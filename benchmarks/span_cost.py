"""What a span costs: on the thread of the traced program, and in CPU of the whole process.

Bounds: through LiveSpanProcessor a span with 5 attributes costs the program's thread no more than
1.15 times what the stock BatchSpanProcessor with a null exporter costs it, p99.9 of a span's end is
1 ms or less, and until it is durable a span costs the process no more than 2.5 times the bare SDK
(`start_span().end()` with the same attributes and no processor).

The spans are children of one root, as those of a pipeline are.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

ATTRIBUTES = {"a": "hello", "http.method": "GET", "n": 42, "f": 1.5, "b": True}
SPANS = 10_000
ROUNDS = 9


class NullExporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def providers(folder: Path) -> dict[str, TracerProvider]:
    bare = TracerProvider(shutdown_on_exit=False)
    stock = TracerProvider(shutdown_on_exit=False)
    stock.add_span_processor(BatchSpanProcessor(NullExporter(), max_queue_size=10 * SPANS))
    live = TracerProvider(shutdown_on_exit=False, id_generator=TimeOrderedIdGenerator())
    live.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(folder / "spans.db")))
    return {"bare": bare, "stock": stock, "live": live}


def make(tracer: Tracer) -> float:
    """CPU microseconds of this thread, per span."""
    with tracer.start_as_current_span("root"):
        started = time.thread_time()
        for _ in range(SPANS):
            tracer.start_span("op", attributes=ATTRIBUTES).end()
        return (time.thread_time() - started) / SPANS * 1e6


def ends(tracer: Tracer) -> list[float]:
    """Microseconds that each span's end took, sorted."""
    took = []
    with tracer.start_as_current_span("root"):
        for _ in range(SPANS):
            span = tracer.start_span("op", attributes=ATTRIBUTES)
            started = time.perf_counter()
            span.end()
            took.append((time.perf_counter() - started) * 1e6)
    return sorted(took)


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Medians of rounds that take turns, so that a noisy moment meets all alike."""
    tracers = {name: (p, p.get_tracer("benchmark")) for name, p in providers(folder).items()}
    thread: dict[str, list[float]] = {name: [] for name in tracers}
    process: dict[str, list[float]] = {name: [] for name in tracers}
    late: dict[str, list[float]] = {name: [] for name in tracers}
    for _ in range(ROUNDS):
        for name, (provider, tracer) in tracers.items():
            started = time.process_time()
            thread[name].append(make(tracer))
            provider.force_flush()
            process[name].append((time.process_time() - started) / SPANS * 1e6)
            late[name].append(ends(tracer)[int(SPANS * 0.999)])
            provider.force_flush()
    for provider, _ in tracers.values():
        provider.shutdown()
    return {
        name: {
            "thread": statistics.median(thread[name]),
            "process": statistics.median(process[name]),
            "p99.9": statistics.median(late[name]),
        }
        for name in tracers
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        got = measure(Path(folder))
    print(f"{'':>6} {'thread':>10} {'process':>10} {'p99.9 of an end':>16}   (per span)")
    for name, row in got.items():
        print(
            f"{name:>6} {row['thread']:>7.2f} us {row['process']:>7.2f} us {row['p99.9']:>13.0f} us"
        )
    on_thread = got["live"]["thread"] / got["stock"]["thread"]
    in_process = got["live"]["process"] / got["bare"]["process"]
    print(f"live / stock on the thread: {on_thread:.2f}   (bound 1.15)")
    print(f"live, durable / bare in the process: {in_process:.2f}   (bound 2.5)")
    print("p99.9 bound: 1000 us")


if __name__ == "__main__":
    main()
