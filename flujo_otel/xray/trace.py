"""TraceContext: one execution of a workflow while it runs."""

from collections.abc import Mapping
from itertools import count
from types import TracebackType
from typing import Any, Literal

from opentelemetry.context import get_current

from flujo_otel.storage.moments import from_ns
from flujo_otel.storage.snapshot import snapshot_object
from flujo_otel.storage.traces import SpanFacts, Step, Trace
from flujo_otel.wire.values import clean_text
from flujo_otel.xray import failure
from flujo_otel.xray.moment import Moment
from flujo_otel.xray.recorder import Recorder
from flujo_otel.xray.scope import Scope
from flujo_otel.xray.step import StepContext, occurrence


class TraceContext(Scope):
    """`with xray.trace("name") as trace:`, or `async with`. `.trace` is the live model.

    Its steps may run in any thread or task, and end in any order.
    """

    __slots__ = ("_moment", "_news", "_orders", "recorder", "trace")

    def __init__(self, name: str, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self._moment: Moment | None = None
        self._news = 0
        self._orders = count()
        self.trace = Trace(name=clean_text(str(name)))
        self.trace._span = SpanFacts()

    def step(self, name: str) -> StepContext:
        """A step of this trace; inside one that is open just here, a step inside that."""
        return StepContext(self, name, None)

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Anything about the trace; added to what is there."""
        self.trace.metadata.update(snapshot_object(metadata))

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Something that happens at this moment. OpenTelemetry keeps the last 128 of a span."""
        with self.recorder.guard:
            self.recorder.event(self.trace, self.span, occurrence(name, attributes))

    def __enter__(self) -> "TraceContext":
        with self.recorder.guard:
            self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self.finish(error)
        return False

    async def __aenter__(self) -> "TraceContext":
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self.finish(error)
        return False

    def finish(self, error: BaseException | None = None) -> None:
        """End it: failed by `error`, else completed. Nothing where it is not open."""
        if not self.is_open or self._moment is None:
            return
        trace = self.trace
        try:
            with self.recorder.guard:
                end_ns = self._moment.later_ns()
                trace.end_time = from_ns(end_ns)
                trace.duration_ms = (end_ns - self._moment.time_ns) // 10**6
                trace.status = "completed"
                if error is not None and failure.is_failure(error):
                    self._fail(error)
                self.recorder.end_trace(trace, self.span, end_ns)
        finally:
            self._leave()
            self._let_go()

    def _begin(self) -> None:
        if self.is_open:
            return
        self._moment = Moment()
        self.trace.start_time = from_ns(self._moment.time_ns)
        self.trace.status = "running"
        outside = get_current()
        self._enter(self.recorder.begin_trace(self.trace, outside, self._moment.time_ns), outside)

    def _fail(self, error: BaseException) -> None:
        self.trace.status = "failed"
        facts = self.trace._span
        if facts is not None:
            facts.error, facts.error_type = failure.message_of(error), failure.type_of(error)
        if self._is_news(error):
            self.recorder.event(self.trace, self.span, failure.event_of(error))

    def _is_news(self, error: BaseException) -> bool:
        """False where a step further in has recorded this very exception already."""
        if self._news == id(error):
            return False
        self._news = id(error)
        return True

    def _add(self, step: Step) -> None:
        if self.recorder.keeps_steps:
            self.trace.steps.append(step)

    def _next_order(self) -> int:
        return next(self._orders)

    def _let_go(self) -> None:
        """From here on whoever saves the trace saves its steps too."""
        for step in self.trace.steps:
            if step._span is not None and step.status != "running":
                step._span.is_managed = False
