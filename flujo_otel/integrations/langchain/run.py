"""One run of LangChain while it is open, and its span."""

import itertools
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, get_current_span

from flujo_otel.integrations.langchain.stand_in import AttachedSpan
from flujo_otel.recording.choice import Recording
from flujo_otel.recording.content import Content
from flujo_otel.recording.failure import (
    add_exception,
    describe,
    error_type,
    failure_attributes,
    set_failed,
)
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo
from flujo_otel.semconv import langchain as semconv

_FALLS_BACK: Final = "RunnableWithFallbacks"


@dataclass(frozen=True, slots=True)
class Making:
    """What every span of a callback is made with."""

    tracer: Tracer
    recording: Recording
    on_lost: Callable[["OpenRun"], None]
    """Told, perhaps by the garbage collector, of a run that LangChain has forgotten."""


class OpenRun:
    """Opens with the object, as a child of what is current in `context` (None: just now).

    `steps`: numbers the children of a run of its own. LangChain holds `run_id`, this very object,
    while the run goes on; where it is gone and no end was told, there will be none.
    """

    __slots__ = (
        "_content",
        "attached",
        "chunks",
        "is_recording",
        "key",
        "lost_time_ns",
        "name",
        "news",
        "on_lost",
        "parent",
        "reference",
        "span",
        "start_time_ns",
        "steps",
    )

    def __init__(
        self,
        making: Making,
        run_id: UUID,
        name: str,
        attributes: dict[str, Any],
        *,
        parent: "OpenRun | None",
        context: Context | None,
    ) -> None:
        self.parent = parent
        self.name = name
        self.key = run_id.int
        self.on_lost = making.on_lost
        self.steps: itertools.count[int] | None = None
        if parent is not None:
            attributes |= parent.step_facts(attributes[semconv.RUN_TYPE])
        elif not get_current_span(context).get_span_context().is_valid:
            attributes[flujo.PIPELINE_NAME] = name
            self.steps = itertools.count()
        self.start_time_ns = time.time_ns()
        self.span: Span = making.tracer.start_span(
            name, context=context, attributes=attributes, start_time=self.start_time_ns
        )
        self.is_recording = self.span.is_recording()
        self.reference: _Reference | None = _referred(run_id, self)
        self.attached: AttachedSpan | None = None
        self.news: BaseException | None = None
        """The failure of a child that was told already."""
        self.lost_time_ns: int | None = None
        self.chunks = 0
        self._content = Content(self.span, making.recording)

    def step_facts(self, kind: str) -> dict[str, Any]:
        """What makes a child of a run of its own a step of that run."""
        if self.steps is None:
            return {}
        return {flujo.STEP_TYPE: kind, flujo.STEP_INDEX: next(self.steps)}

    @property
    def is_open(self) -> bool:
        return self.reference is not None

    @property
    def falls_back(self) -> bool:
        return self.name.startswith(_FALLS_BACK)

    def begin_child(self, attempt: int | None) -> None:
        """Another attempt at it is a retry; what follows a failure may be its fallback."""
        if attempt is not None:
            self.event(flujo.EVENT_RETRY, {flujo.STEP_ATTEMPTS: attempt})
            self.set({flujo.STEP_ATTEMPTS: attempt})
        if self.news is not None and self.falls_back:
            why = {flujo.FALLBACK_ORIGINAL_ERROR: describe(self.news)}
            self.event(flujo.EVENT_FALLBACK, why)
            self.set({flujo.FALLBACK_TRIGGERED: True, **why})

    def attach(self) -> None:
        """Make it the current span of the caller's own context."""
        self.attached = AttachedSpan(self.span, self.lose)

    def detach(self) -> None:
        if self.attached is not None:
            self.attached.undo()
            self.attached = None

    def set(self, attributes: Mapping[str, Any], content: Mapping[str, Any] | None = None) -> None:
        """Set `attributes`, redacted, and what `content` gave, which is so already."""
        if self.is_recording and (attributes or content):
            found = redactor().attributes(attributes)
            self.span.set_attributes({**found, **content} if content else found)

    def event(
        self,
        name: str,
        attributes: Mapping[str, Any],
        content: Mapping[str, Any] | None = None,
    ) -> None:
        if self.is_recording:
            found = redactor().attributes(attributes)
            self.span.add_event(name, {**found, **content} if content else found)

    def content(self, value: Any, name: str) -> dict[str, Any]:
        """`value`, redacted, under `name` with its mime type: text as it is, all else as JSON."""
        if isinstance(value, str):
            return self._content.text(value, name)
        return self._content.json(value, name)

    def fail(self, error: BaseException) -> None:
        """Record `error`; its stack only on the innermost span, where it arose."""
        if error is not self.news and self.is_recording:
            add_exception(self.span, error)
        if self.parent is not None:
            self.parent.news = error
        self.failed(describe(error), error_type(error))

    def unfinished(self, why: str, kind: str = flujo.ERROR_TYPE_OTHER) -> None:
        """End it, for LangChain will not."""
        self.set({semconv.UNFINISHED: True})
        self.failed(why, kind)
        self.end()

    def lose(self) -> None:
        """It is over, though LangChain did not say so. Safe while the garbage collector runs."""
        self.lost_time_ns = time.time_ns()
        if self.attached is not None:
            self.attached.release()
        self.on_lost(self)

    def end(self) -> None:
        self.reference = None
        self.news = None
        self.detach()
        if self.chunks:
            self.span.set_attribute(semconv.CHUNK_COUNT, self.chunks)
        if self._content.cuts:
            self.span.set_attribute(flujo.TRUNCATED, self._content.cuts)
        self.span.end(self.lost_time_ns)

    def failed(self, message: str, kind: str) -> None:
        """Say that it failed, with an exception or without."""
        if not self.is_recording:
            return
        message = clipped(message)
        self.span.set_attributes(failure_attributes(kind, message))
        set_failed(self.span, message)


class _Reference(weakref.ref[UUID]):
    """To a run's id: tells where it is gone while the run is open."""

    __slots__ = ("run",)

    run: OpenRun


def _referred(run_id: UUID, run: OpenRun) -> _Reference:
    reference = _Reference(run_id, _lost)
    reference.run = run
    return reference


def _lost(reference: Any) -> None:
    # The garbage collector may call this, perhaps inside a span processor's lock: nothing ends.
    reference.run.lose()
