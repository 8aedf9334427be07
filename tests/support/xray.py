"""The ways in which X-Ray keeps a trace, and how to see what each kept."""

from dataclasses import dataclass
from typing import Any

from flujo_otel import Trace, XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.xray import TraceContext


@dataclass
class Way:
    """An XRay, and how to see what it kept."""

    xray: XRay
    traced: Any
    storage: SQLiteStorage | None

    def kept(self, trace: TraceContext | str) -> Trace:
        trace_id = trace if isinstance(trace, str) else trace.trace.trace_id
        found = (self.storage or self.traced.storage()).get_trace(trace_id)
        assert found is not None
        return found

    def newest(self) -> Trace:
        [newest] = (self.storage or self.traced.storage()).get_all_traces(limit=1)
        return newest

    def parents(self, trace: TraceContext) -> dict[str, str | None]:
        """The name of each step's parent."""
        kept = self.kept(trace)
        names = {step._span.span_id: step.name for step in kept.steps if step._span}
        assert kept._span is not None
        names[kept._span.span_id] = kept.name
        return {s.name: names.get(s._span.parent_id or "") for s in kept.steps if s._span}
