"""TraceManager, for a process that need not have configured anything."""

from typing import Any

from opentelemetry import trace

from flujo_otel.integrations import flujo
from flujo_otel.integrations.flujo.run import Run

__all__ = ["TraceManager"]


class TraceManager(flujo.TraceManager):
    __doc__ = flujo.TraceManager.__doc__

    def _start(self, *run: Any, **more: Any) -> Run:
        # Not when it is made: a program may set a provider, or call configure(), after that.
        if self._is_global and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            from flujo_otel.bootstrap.program import configure

            # The runner is at work: patched now, it would show half of this run.
            configure(flujo=False)
        return super()._start(*run, **more)
