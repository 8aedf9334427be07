"""A tracer whose spans are made later, where nobody can tell the difference."""

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import Tracer
from opentelemetry.trace import Span, SpanContext

from flujo_otel_exporter import deferral
from flujo_otel_exporter.deferred_span import DeferredSpan
from flujo_otel_exporter.ids import TimeOrderedIdGenerator


class DeferringTracer(trace.Tracer):
    """Defers the spans that are started below a sampled span of this process, as long as
    `may_defer` says so; with no more than a name, a context and attributes, which it keeps.

    All others are the SDK's `tracer`'s own. Of a deferred one the ids are known at once: those of
    its parent's trace, and one that `ids` makes.
    """

    def __init__(
        self, tracer: Tracer, ids: TimeOrderedIdGenerator, may_defer: Callable[[], bool]
    ) -> None:
        self._tracer = tracer
        self._ids = ids
        self._may_defer = may_defer

    def start_span(
        self, name: str, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> Span:
        """See `trace.Tracer.start_span`."""
        parent = trace.get_current_span(context)
        above = parent.get_span_context()
        if (
            args
            or kwargs.keys() != _ONLY
            or not (above.trace_flags.sampled and parent.is_recording())
            or not self._may_defer()
        ):
            return self._tracer.start_span(name, context, *args, **kwargs)
        span_id = self._ids.new_span_id()
        its_own = SpanContext(above.trace_id, span_id, False, above.trace_flags, above.trace_state)
        return deferral.add(
            DeferredSpan(
                self._tracer,
                self._ids,
                its_own,
                name=name,
                context=get_current() if context is None else context,
                attributes=kwargs["attributes"],
            )
        )

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """See `trace.Tracer.start_as_current_span`; not deferred."""
        return self._tracer.start_as_current_span(*args, **kwargs)


_ONLY = {"attributes"}
