"""An open span of ours, of a graph run or of a node: what it records and how it ends."""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import (
    Context,
    attach,
    create_key,
    get_current,
    get_value,
    set_value,
)
from opentelemetry.trace import StatusCode
from opentelemetry.util.types import AttributeValue

from flujo_otel.integrations.flujo import facts
from flujo_otel.integrations.flujo.content import Recording
from flujo_otel.semconv import flujo, graph, openinference

_DESCRIPTION_LIMIT: Final = 1024
_MIME_TYPES: Final = {
    openinference.INPUT_VALUE: openinference.INPUT_MIME_TYPE,
    openinference.OUTPUT_VALUE: openinference.OUTPUT_MIME_TYPE,
}
_STATED: Final = frozenset({graph.COMPLETED, graph.FAILED, graph.PAUSED})
"""What `flujo.status` can say; a run that was abandoned or a cancelled node says it finer alone."""


class OpenSpan:
    """A span that was just started. What is recorded of content and errors comes redacted."""

    __slots__ = ("_cuts", "_recording", "closed", "span")

    def __init__(self, span: trace.Span, recording: Recording) -> None:
        self.span = span
        self.closed = False
        self._cuts = 0
        self._recording = recording if recording.content and span.is_recording() else None

    def value(self, name: str, value: object) -> dict[str, AttributeValue]:
        """Attributes for a piece of content and its mime type; empty where none is recorded."""
        if self._recording is None:
            return {}
        text, was_cut = self._recording.value(value)
        self._cuts += was_cut
        found: dict[str, AttributeValue] = {name: text}
        if name in _MIME_TYPES:
            found[_MIME_TYPES[name]] = openinference.MIME_JSON
        return found

    def state(self, event: str, state: object) -> None:
        """The graph's state as it is now, as an event of bounded size; of None there is none."""
        if state is None or self._recording is None:
            return
        text, was_cut = self._recording.context(state)
        self._cuts += was_cut
        self.span.add_event(event, {graph.STATE: text})

    def exception(self, error: BaseException) -> None:
        self.span.add_event(flujo.EVENT_EXCEPTION, facts.exception_event(error))

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
        if self._cuts:
            last[flujo.TRUNCATED] = self._cuts
        if error is not None:
            kind = facts.error_type(facts.Outcome(error=error))
            message = facts.describe(error)
            last[flujo.ERROR_TYPE] = last[flujo.ERROR_TYPE_PLAIN] = kind
            last[flujo.ERROR_MESSAGE] = message
            self.span.set_status(StatusCode.ERROR, facts.clipped(message, _DESCRIPTION_LIMIT))
        self.span.set_attributes(last)
        self.span.end()


class Attached:
    """Makes `context` the current one, until `undo`.

    The context before is set back instead of a token reset: a generator may be closed in another
    task than the one that started it, where resetting would log an error.
    """

    __slots__ = ("_before",)

    def __init__(self, context: Context) -> None:
        self._before: Context = get_current()
        attach(set_value(_ATTACHED, self, context))

    def undo(self) -> None:
        """Put back what was, if this is where it was set: whatever the code that ran meanwhile has
        left attached goes with it."""
        if get_value(_ATTACHED) is self:
            attach(self._before)


_ATTACHED: Final = create_key("flujo-otel-attached")


def is_cancellation(error: BaseException) -> bool:
    """Whether code was told to stop: by its task, of asyncio or trio, or by its generator's end."""
    return not isinstance(error, (Exception, KeyboardInterrupt, SystemExit))
