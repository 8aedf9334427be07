"""flujo as OpenTelemetry spans: `TraceManager`, a hook, and `FlujoInstrumentor` (docs/flujo.md).

Importing this imports neither flujo nor the OpenTelemetry SDK.

    manager          TraceManager, for top-level steps; `hook`: what goes into `Flujo(hooks=[...])`
    instrumentor     FlujoInstrumentor, for all steps; `patches`: what it changes in flujo;
                     `runner`: its part in each runner
    run, step        the spans of both, from start to end; `span`: one that is open;
                     `tree`: what a finished run leaves on `trace_tree`
    open_runs        which run a context belongs to; `paused_runs`: those that wait for a human
    pipeline         the indexes of a run's steps
    facts            what flujo's objects say, whichever version made them
    backend          SQLiteBackend as flujo gets it; `default_backend`: for runners without one
    persistence      what flujo hands to that backend, without the part that grows
"""

from flujo_otel.integrations.flujo.instrumentor import FlujoInstrumentor
from flujo_otel.integrations.flujo.manager import TraceManager

__all__ = ["FlujoInstrumentor", "TraceManager"]
