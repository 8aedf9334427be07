"""A trace that was not sampled: held back, and recorded at its end after all, or not."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span

from flujo_otel.model import Event
from flujo_otel.storage import decisions
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.xray.recorder import UNSAMPLED, HeldStep, Recorder, keep_event, stand_in

HELD_BYTES: Final = 16 << 20
"""Of all traces that one XRay holds back."""
_STEP_BYTES: Final = 4096
"""Of a step's models, beside what its values hold."""


class HeldBudget:
    """Bytes that may be held.

    Without a lock, on which what interrupts a thread could hang: CPython switches threads at calls
    and jumps only, never inside `-=` on an attribute.
    """

    def __init__(self, most_bytes: int = HELD_BYTES) -> None:
        self._left_bytes = most_bytes

    def take(self, size_bytes: int) -> bool:
        """Whether there is room for them; then they are taken."""
        if size_bytes > self._left_bytes:
            return False
        self._left_bytes -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """What was taken."""
        self._left_bytes += size_bytes


class HeldRecorder:
    """Keeps the steps of a trace that was not sampled until it has ended, and then has `recorder`
    record all of it, or nothing. Meanwhile its spans are stand-ins that are not sampled, so that
    those of libraries inside it are not recorded either. `budget` None: nothing is kept, and the
    trace is never recorded.

    `is_wanted` decides at the end; `drop` is told of a trace that is not recorded: whether it was
    given up for want of room.
    """

    def __init__(
        self,
        recorder: Recorder,
        budget: HeldBudget | None,
        is_wanted: Callable[[Trace], bool],
        drop: Callable[[bool], None],
    ) -> None:
        self.guard: AbstractContextManager[Any] = recorder.guard
        self.keeps_steps = True
        self.content = recorder.content
        self._recorder = recorder
        self._budget = budget
        self._is_wanted = is_wanted
        self._drop = drop
        self._held: list[HeldStep] = []
        self._held_bytes = 0
        self._starts: dict[str, int] = {}
        self._context: Context | None = None
        self._trace: Trace | None = None

    def begin_trace(self, trace: Trace, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        self._trace, self._context = trace, context
        return stand_in(trace, context, UNSAMPLED)

    def begin_step(self, step: Step, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        span = stand_in(step, context, UNSAMPLED)
        if self._budget is not None:
            self._starts[step.step_id] = start_ns
        return span

    def note_input(self, step: Step, span: Span) -> None:
        """See `Recorder`."""

    def event(self, model: Trace | Step, span: Span, event: Event) -> None:
        """See `Recorder`."""
        size_bytes = _size_bytes(event.attributes.values())
        if self._budget is not None and self._take(size_bytes):
            keep_event(model, event)

    def end_step(self, step: Step, span: Span, end_ns: int) -> None:
        """See `Recorder`."""
        start_ns = self._starts.pop(step.step_id, None)
        if self._budget is None or start_ns is None:
            return
        attributes = decisions.last_of_step(step, content=self.content)
        if self._take(_STEP_BYTES + 2 * _size_bytes(attributes.values())):
            self._held.append(HeldStep(step, start_ns, end_ns, attributes))

    def end_trace(self, trace: Trace, span: Span, end_ns: int) -> None:
        """See `Recorder`."""
        held, given_up = self._held, not self.keeps_steps
        is_wanted = self._budget is not None and not given_up and self._is_wanted(trace)
        try:
            if is_wanted and self._context is not None:
                self._recorder.replay(trace, self._context, held)
            else:
                self._drop(given_up)
        finally:
            self._release()

    def replay(self, trace: Trace, context: Context, held: Sequence[HeldStep]) -> None:
        """See `Recorder`."""
        self._recorder.replay(trace, context, held)

    def _take(self, size_bytes: int) -> bool:
        """Room for them, or the trace is given up."""
        if self._budget is None:
            return False
        if self._budget.take(size_bytes):
            self._held_bytes += size_bytes
            return True
        self.keeps_steps = False
        if self._trace is not None:
            self._trace.steps.clear()
        self._release()
        return False

    def _release(self) -> None:
        if self._budget is not None:
            self._budget.give_back(self._held_bytes)
            self._budget = None
        self._held, self._held_bytes = [], 0
        self._starts.clear()


def _size_bytes(values: Any) -> int:
    return sum(len(value) if isinstance(value, str) else 64 for value in values)
