"""A real flujo run: a loop, a branch, a retry, a failing step, and a span of the program's own.

Arguments: `embedded DB URL...` (our one line, forwarding to the URLs) or `otlp URL` (the stock SDK
and exporter, sending to a collector). Prints the run's trace id.
"""

import logging
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.ERROR)

from flujo import Flujo, Pipeline, Step  # noqa: E402
from flujo.state.backends.memory import InMemoryBackend  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402

import flujo_otel  # noqa: E402

calls: list[int] = []
trace_ids: list[str] = []


async def first(value: int) -> int:
    with trace.get_tracer("the program", "3.1").start_as_current_span("its own") as span:
        span.set_attributes({"question": "grüße?", "ratio": 0.25, "asked": ["a", "b"], "whole": 7})
        span.add_event("asked", {"times": 2})
        trace_ids.append(f"{span.get_span_context().trace_id:032x}")
    return value + 1


async def up(value: int) -> int:
    return value + 1


async def flaky(value: int) -> int:
    calls.append(value)
    if len(calls) == 1:
        raise ValueError("not yet")
    return value


async def sour(value: int) -> int:
    raise ValueError("sour milk")


def pipeline() -> Any:
    step = Step.from_callable
    loop: Any = Step.loop_until(
        name="climb",
        loop_body_pipeline=Pipeline.from_step(step(up, name="up")),
        exit_condition_callable=lambda value, _: value >= 3,
        max_loops=5,
    )
    route: Any = Step.branch_on(
        name="route",
        condition_callable=lambda value, _: "left",
        branches={"left": Pipeline.from_step(step(flaky, name="flaky", max_retries=2))},
    )
    return step(first, name="first") >> loop >> route >> step(sour, name="sour")


def embedded(db: str, *urls: str) -> None:
    flujo_otel.configure(db, service_name="triage", forward=list(urls))


def otlp(url: str) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "triage"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)
    flujo_otel.FlujoInstrumentor().instrument(tracer_provider=provider)


{"embedded": embedded, "otlp": otlp}[sys.argv[1]](*sys.argv[2:])
Flujo(pipeline(), pipeline_name="triage", state_backend=InMemoryBackend()).run(0)
print(trace_ids[0])
