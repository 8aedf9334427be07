"""The X-Ray SDK: what a workflow decides, step by step, and why (docs/xray.md).

`flujo_otel.XRay` is the same class, in a process that is wired for it by that.
"""

from flujo_otel.storage.storage_backend import StorageBackend
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.xray.carrying import CarryingThreadPoolExecutor, carry
from flujo_otel.xray.step import StepContext
from flujo_otel.xray.trace import TraceContext
from flujo_otel.xray.xray import XRay

__all__ = [
    "CarryingThreadPoolExecutor",
    "Step",
    "StepContext",
    "StorageBackend",
    "Trace",
    "TraceContext",
    "XRay",
    "carry",
]
