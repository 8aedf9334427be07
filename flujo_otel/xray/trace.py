"""TraceContext: one execution of a workflow while it runs."""

from itertools import count

from opentelemetry.context import Context
from opentelemetry.trace import Span

from flujo_otel.recording.failure import error_type
from flujo_otel.storage.snapshot import snapshot_name
from flujo_otel.storage.traces import SpanFacts, Step, Trace
from flujo_otel.xray import failure
from flujo_otel.xray.lifetime import Lifetime
from flujo_otel.xray.recorder import Recorder
from flujo_otel.xray.step import StepContext


class TraceContext(Lifetime):
    """`with xray.trace("name") as trace:`, or `async with`. `.trace` is the live model.

    Its steps may run in any thread or task, and end in any order.
    """

    __slots__ = ("_news", "_orders", "trace")

    def __init__(self, name: str, recorder: Recorder) -> None:
        self.trace = Trace(name=snapshot_name(name))
        super().__init__(self.trace, recorder)
        self._news = 0
        """The id of the exception that was recorded last."""
        self._orders = count()
        self.trace._span = SpanFacts()

    def step(self, name: str) -> StepContext:
        """A step of this trace; inside one that is open just here, a step inside that."""
        if self._moment is None:  # a step may begin after its trace has ended
            self._say_not_open()
        return StepContext(self, name, None)

    def _record_start(self, outside: Context, start_ns: int) -> Span:
        return self.recorder.begin_trace(self.trace, outside, start_ns)

    def _record_end(self, end_ns: int) -> None:
        self.recorder.end_trace(self.trace, self.span, end_ns)

    def _leave(self) -> None:
        """From here on whoever saves the trace saves its steps too."""
        super()._leave()
        for step in self.trace.steps:
            if step._span is not None and step.status != "running":
                step._span.is_managed = False

    def _note_failure(self, error: BaseException, end_ns: int) -> None:
        facts = self.trace._span
        if facts is not None:
            facts.error, facts.error_type = failure.message_of(error), error_type(error)
        if self._is_news(error):
            self.recorder.event(self.trace, self.span, failure.event_of(error, end_ns))

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
