"""What a step of the X-Ray SDK costs beside a bare OpenTelemetry span with the same attributes.

Both through LiveSpanProcessor into a file, as children of one root; CPU of the program's thread.
The bare span gets the very attributes that the step is recorded with, their JSON ready-made.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import XRay
from flujo_otel.storage import decisions
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.storage.traces import Step
from flujo_otel.xray import TraceContext
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

STEPS = 2_000
ROUNDS = 9
EVALUATIONS = (1_000, 10_000)
INPUT = {"query": "running shoes", "limit": 10}
OUTPUT = {"found": 7, "best": "B0042"}
REASONING = "the seven that are in stock"


def recorded_attributes() -> dict[str, object]:
    step = Step(trace_id="x" * 36, name="step", input=INPUT, output=OUTPUT, reasoning=REASONING)
    return {**decisions.first_of_step(step), **decisions.last_of_step(step)}


def bare(tracer: trace.Tracer) -> None:
    attributes = recorded_attributes()
    for _ in range(STEPS):
        with tracer.start_as_current_span("step", attributes=attributes):  # type: ignore[arg-type]
            pass


def steps(opened: TraceContext) -> None:
    for _ in range(STEPS):
        with opened.step("step") as step:
            step.set_input(INPUT)
            step.set_output(OUTPUT)
            step.set_reasoning(REASONING)


def timed(work: Callable[[], None]) -> float:
    """CPU microseconds of this thread, per step."""
    started = time.thread_time()
    work()
    return (time.thread_time() - started) / STEPS * 1e6


def evaluations(xray: XRay, count: int) -> float:
    """CPU microseconds of this thread per evaluation, the end of the step included."""
    with xray.trace("filters") as opened:
        started = time.thread_time()
        with opened.step("filter") as step:
            for number in range(count):
                step.add_evaluation(
                    f"item-{number}",
                    {"price": number, "title": "a thing to run in"},
                    [{"name": "price", "passed": True, "detail": "below 100"}],
                    True,
                )
        return (time.thread_time() - started) / count * 1e6


def storage_step_ms(storage: SQLiteStorage) -> float:
    """Wall milliseconds of a step that a storage saves, committed when it ends."""
    with XRay(storage=storage).trace("stored") as opened:
        started = time.perf_counter()
        for _ in range(200):
            with opened.step("step") as step:
                step.set_input(INPUT)
        return (time.perf_counter() - started) / 200 * 1e3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        provider = TracerProvider(id_generator=TimeOrderedIdGenerator())
        provider.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(Path(folder) / "x.db")))
        trace.set_tracer_provider(provider)
        tracer, xray = provider.get_tracer("benchmark"), XRay()
        found: dict[str, list[float]] = {"bare span": [], "step": []}
        for _ in range(ROUNDS):
            with tracer.start_as_current_span("root"):
                found["bare span"].append(timed(lambda: bare(tracer)))
            provider.force_flush()
            with xray.trace("root") as opened:
                found["step"].append(timed(lambda opened=opened: steps(opened)))  # type: ignore[misc]
            provider.force_flush()
        medians = {name: statistics.median(each) for name, each in found.items()}
        for name, median in medians.items():
            print(f"{name:>10}  {median:6.1f} us")
        print(f"ratio: {medians['step'] / medians['bare span']:.2f}")
        for count in EVALUATIONS:
            print(f"{count:>6} evaluations on one step: {evaluations(xray, count):.1f} us each")
        for name in (":memory:", str(Path(folder) / "stored.db")):
            kind = "memory" if name == ":memory:" else "file"
            took_ms = storage_step_ms(SQLiteStorage(name))
            print(f"a step that a storage saves ({kind}): {took_ms:.2f} ms")
        provider.shutdown()


if __name__ == "__main__":
    main()
