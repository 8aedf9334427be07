"""flujo as OpenTelemetry spans: `TraceManager`, a hook, and `FlujoInstrumentor` (docs/flujo.md).

Importing this imports neither flujo nor the OpenTelemetry SDK.
"""

from flujo_otel.integrations.flujo.instrumentor import FlujoInstrumentor
from flujo_otel.integrations.flujo.manager import TraceManager

__all__ = ["FlujoInstrumentor", "TraceManager"]
