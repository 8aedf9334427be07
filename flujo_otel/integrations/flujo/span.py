"""An open span of ours: the OpenTelemetry span and its node of the run's tree, kept alike."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import format_span_id
from opentelemetry.util.types import AttributeValue

from flujo_otel.integrations.flujo import facts
from flujo_otel.integrations.flujo.tree import TreeSpan
from flujo_otel.recording.choice import Recording
from flujo_otel.recording.content import Content
from flujo_otel.recording.failure import add_exception, set_failed
from flujo_otel.recording.known_state import KnownState
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo as semconv


class OpenSpan:
    """A span that was just started with `attributes`, which become its node's. `above`: what its
    node hangs below in the tree; None: nothing. `content`: by which it was given its first values;
    None: it was given none."""

    __slots__ = (
        "_last",
        "_last_content",
        "closed",
        "content",
        "is_recording",
        "node",
        "recording",
        "span",
    )

    def __init__(
        self,
        span: trace.Span,
        name: str,
        attributes: dict[str, Any],
        recording: Recording,
        above: "OpenSpan | None",
        *,
        content: Content | None = None,
    ) -> None:
        self.span = span
        self.is_recording = span.is_recording()
        self.recording = recording
        if content is None or not self.is_recording:
            content = Content(span, recording)
        self.content = content
        self.closed = False
        self._last: dict[str, AttributeValue] = {}
        """Attributes to be set at the end, all in one call: each call takes the span's lock."""
        self._last_content: Mapping[str, AttributeValue] = {}
        self.node: TreeSpan = TreeSpan(
            span_id=_id_of(span),
            name=name,
            start_time=time.time(),
            parent_span_id=above.node.span_id if above else None,
            attributes=attributes,
        )
        if above:
            above.node.children.append(self.node)

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set them on the span and in the tree; secrets are redacted here."""
        attributes = redactor().attributes(attributes)
        self.span.set_attributes(attributes)
        self.node.attributes.update(attributes)

    def set_at_end(
        self,
        attributes: Mapping[str, AttributeValue],
        content: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        """Have both set on the span once it ends, redacted already; content at most once, of which
        the tree is not told."""
        self._last.update(attributes)
        if content:
            self._last_content = content

    def event(self, name: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Something that happens now, on the span and in the tree; secrets are redacted here."""
        attributes = redactor().attributes(attributes)
        self.span.add_event(name, attributes)
        self.node.events.append({"name": name, "attributes": attributes})

    def value(self, value: object, *names: str) -> None:
        """Record a piece of content under each of `names`, with its mime type."""
        content = self.content.json(value, *names)
        if content:
            self.span.set_attributes(content)

    def context(
        self, event: str, context: object, known: KnownState, *, is_copy: bool = False
    ) -> None:
        """Record the pipeline's context as a span event, unless it is still as `known`."""
        news = known.news(context, semconv.CONTEXT, self.content)
        if news:
            self.span.add_event(event, {**news, semconv.CONTEXT_IS_COPY: True} if is_copy else news)

    def exception(self, error: BaseException) -> None:
        """OpenTelemetry's `exception` event."""
        add_exception(self.span, error)

    def end(self, status: str, message: str = "") -> None:
        """End with flujo's status; only `failed` is an error in OpenTelemetry's eyes."""
        if self.closed:
            return
        self.closed = True
        try:
            self._set_last(status, message)
        finally:  # whatever failed: a span that never ends would be shown as running
            self.node.status = status
            self.node.end_time = time.time()
            self.span.end()

    def _set_last(self, status: str, message: str) -> None:
        last = self._last
        last[semconv.STATUS] = status
        if self.content.cuts:
            last[semconv.TRUNCATED] = self.content.cuts
        has_failed = status == semconv.STATUS_FAILED
        message = redactor().text(message) if has_failed else ""
        if message:
            last[semconv.ERROR_MESSAGE] = message
        if self._last_content and self.content.is_wanted:  # still
            self.span.set_attributes({**last, **self._last_content})
        else:
            self.span.set_attributes(last)
        self.node.attributes.update(last)
        if has_failed:
            set_failed(self.span, message)

    def fail(self, outcome: facts.Outcome, message: str) -> None:
        """End as failed by `outcome`, which `message` tells of."""
        kind = redactor().text(facts.error_type(outcome))
        self.set_at_end({semconv.ERROR_TYPE: kind, semconv.ERROR_TYPE_PLAIN: kind})
        self.end(semconv.STATUS_FAILED, message)


def _id_of(span: trace.Span) -> str:
    """One of the tree's own where nothing makes spans: those have no id, and nodes that are all
    called the same are no tree to `SQLiteBackend`."""
    context = span.get_span_context()
    return format_span_id(context.span_id) if context.is_valid else secrets.token_hex(8)
