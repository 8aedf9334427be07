"""An open span of ours, of a graph run or of a node: what it records and how it ends."""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from flujo_otel.recording import failure
from flujo_otel.recording.choice import Recording
from flujo_otel.recording.content import Content
from flujo_otel.semconv import flujo, graph

_STATED: Final = frozenset({graph.COMPLETED, graph.FAILED, graph.PAUSED})
"""What `flujo.status` can say; a run that was abandoned or a cancelled node says it finer alone."""


class OpenSpan:
    """A span that was just started. What is recorded of content and errors comes redacted."""

    __slots__ = ("closed", "content", "span")

    def __init__(self, span: trace.Span, recording: Recording) -> None:
        self.span = span
        self.closed = False
        self.content = Content(span, recording)

    def state(self, event: str, state: object) -> None:
        """The graph's state as it is now, as an event of bounded size; none for None."""
        attributes = self.content.state(state, graph.STATE)
        if attributes:
            self.span.add_event(event, attributes)

    def end(
        self,
        status: str,
        attributes: Mapping[str, AttributeValue],
        error: BaseException | None = None,
    ) -> None:
        """End the span, once; `error`: the failure that makes it one in OpenTelemetry's eyes."""
        if self.closed:
            return
        self.closed = True
        last = {graph.STATUS: status, **attributes}
        if status in _STATED or status == graph.CACHED:
            last[flujo.STATUS] = graph.COMPLETED if status == graph.CACHED else status
        if self.content.cuts:
            last[flujo.TRUNCATED] = self.content.cuts
        if error is not None:
            message = failure.describe(error)
            last |= failure.failure_attributes(failure.error_type(error), message)
            failure.set_failed(self.span, message)
        self.span.set_attributes(last)
        self.span.end()


def is_cancellation(error: BaseException) -> bool:
    """Whether code was told to stop: by its task, of asyncio or trio, or by its generator's end."""
    return not isinstance(error, (Exception, KeyboardInterrupt, SystemExit))
