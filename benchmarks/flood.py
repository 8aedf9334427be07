"""One thread that makes spans as fast as Python can: none is dropped, memory stays bounded."""

import resource
import sys
import tempfile
import time
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider

from flujo_otel.spanstore.factory import open_maintenance
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

SPANS = 2_000_000
PER_ROOT = 10_000
ATTRIBUTES = {"a": "hello", "http.method": "GET", "n": 42, "f": 1.5, "b": True}


def peak_bytes() -> int:
    """The largest this process has been."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def flood(db: Path, spans: int) -> tuple[float, float]:
    """Seconds to make so many spans, and until all are committed."""
    provider = TracerProvider(shutdown_on_exit=False, id_generator=TimeOrderedIdGenerator())
    provider.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(db)))
    tracer = provider.get_tracer("benchmark")
    started = time.perf_counter()
    for _ in range(spans // PER_ROOT):
        with tracer.start_as_current_span("root"):
            for _ in range(PER_ROOT - 1):
                tracer.start_span("op", attributes=ATTRIBUTES).end()
    made = time.perf_counter() - started
    provider.force_flush(120_000)
    committed = time.perf_counter() - started
    provider.shutdown()
    return made, committed


def main() -> None:
    before = peak_bytes()
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "spans.db"
        made, committed = flood(db, SPANS)
        health = open_maintenance(db).health(check_integrity=False)
    lost = sum(loss.count for loss in health.losses)
    print(f"{SPANS:,} spans made in {made:.1f} s, committed after {committed:.1f} s")
    print(f"stored {health.span_count:,}, counted as lost {lost:,}   (bound: none lost)")
    print(f"peak memory {peak_bytes() / 1e6:.0f} MB, {before / 1e6:.0f} MB before the first span")


if __name__ == "__main__":
    main()
