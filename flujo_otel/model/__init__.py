"""Plain frozen data: what is written, what is read. No I/O, no OpenTelemetry import."""

from flujo_otel.model.loss import Loss
from flujo_otel.model.process import Process
from flujo_otel.model.record import Batch, Resource, Scope, SpanRecord
from flujo_otel.model.run import Run, RunStatus, Step
from flujo_otel.model.span import Event, Link, Span

__all__ = [
    "Batch",
    "Event",
    "Link",
    "Loss",
    "Process",
    "Resource",
    "Run",
    "RunStatus",
    "Scope",
    "Span",
    "SpanRecord",
    "Step",
]
