"""Sends the tree of tests/peers/tree.py with the Python SDK and prints which ids it got.

Arguments: protocol (grpc, http/protobuf), endpoint, the tree's first instant in Unix ns.
"""

import json
import math
import sys
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

ATTRIBUTES = {
    "text": "grüße 🎉",
    "empty": "",
    "yes": True,
    "no": False,
    "whole": 42,
    "negative": -7,
    "big": 2**53 - 1,
    "smallest": -(2**63),
    "ratio": 0.1,
    "tiny": 1e-300,
    "not_a_number": math.nan,
    "infinite": math.inf,
    "texts": ["a", "", "ü"],
    "booleans": [True, False],
    "wholes": [1, -2],
    "ratios": [0.5, 1e-9],
    "nothing": [],
    "raw": b"\x00\xff",
    "nested": {"list": [1, "two"], "deeper": {"yes": True}},
}
REMOTE = SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C,
    0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(TraceFlags.SAMPLED),
    trace_state=TraceState([("vendor", "x")]),
)


def exporter(protocol: str, endpoint: str) -> SpanExporter:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(endpoint=endpoint, insecure=True)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(endpoint=f"{endpoint}/v1/traces", compression=Compression.Gzip)


def tree(provider: TracerProvider, base_ns: int) -> list[Span]:
    tracer = provider.get_tracer("shop.orders", "1.2.3")

    def start(name: str, kind: SpanKind, above: Span | None, after_ns: int, **more: Any) -> Span:
        context = set_span_in_context(above) if above else None
        return tracer.start_span(name, context, kind, start_time=base_ns + after_ns, **more)

    order = start("order", SpanKind.SERVER, None, 0, attributes=ATTRIBUTES)
    reserve = start("reserve stock", SpanKind.INTERNAL, order, 1_000_001)
    picked: dict[str, Any] = {"shelf": "B7", "count": 3, "heavy": False}
    reserve.add_event("picked", picked, base_ns + 1_500_003)
    reserve.add_event("packed", timestamp=base_ns + 1_700_007)
    notify = start("notify", SpanKind.PRODUCER, reserve, 1_800_000)
    notify.end(base_ns + 1_900_000)
    reserve.set_status(Status(StatusCode.OK))
    reserve.end(base_ns + 2_000_002)
    links = [Link(REMOTE, {"why": "retry of", "attempt": 2}), Link(reserve.get_span_context())]
    charge = start("charge card", SpanKind.CLIENT, order, 3_000_003, links=links)
    try:
        raise RuntimeError("card declined")
    except RuntimeError as error:
        charge.record_exception(error)
    charge.set_status(Status(StatusCode.ERROR, "card declined"))
    charge.end(base_ns + 4_000_004)
    order.end(base_ns + 5_000_005)
    return [order, reserve, notify, charge]


def main(protocol: str, endpoint: str, base_ns: str) -> int:
    resource = Resource.create({"service.name": "shop", "replicas": 3, "zones": ["a", "b"]})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter(protocol, endpoint)))
    spans = tree(provider, int(base_ns))
    flushed = provider.force_flush()
    provider.shutdown()
    span_ids = [f"{span.get_span_context().span_id:016x}" for span in spans]
    trace_id = f"{spans[0].get_span_context().trace_id:032x}"
    print(json.dumps({"trace_id": trace_id, "span_ids": span_ids}))
    return 0 if flushed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
