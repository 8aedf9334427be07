"""A trace that was not sampled: held back, and recorded at its end after all, or not."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span

from flujo_otel.model import Event
from flujo_otel.storage import decisions
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.xray.drops import SAMPLED_OUT
from flujo_otel.xray.recorder import UNSAMPLED, HeldStep, Recorder, keep_event, stand_in

HELD_BYTES: Final = 16 << 20
"""Of all traces that one XRay holds back."""
_STEP_BYTES: Final = 4096
"""Of a step's models, beside what its values hold."""
_NO_ROOM: Final = "no room to hold it until its end"


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

    `refusal` says at the end for which reason of the ledger's it is not recorded, or "": it is.
    `drop` is told of one that is not: the reason, and its detail.
    """

    def __init__(
        self,
        recorder: Recorder,
        budget: HeldBudget | None,
        refusal: Callable[[Trace], str],
        drop: Callable[[str, str], None],
    ) -> None:
        self.guard: AbstractContextManager[Any] = recorder.guard
        self.keeps_steps = True
        self._recorder = recorder
        self._has_content = recorder.content
        self._budget = budget
        self._refusal = refusal
        self._drop = drop
        self._held: list[HeldStep] = []
        self._held_bytes = 0
        self._starts: dict[str, int] = {}
        self._context: Context | None = None
        self._trace: Trace | None = None

    @property
    def content(self) -> bool:
        """See `Recorder`."""
        return self._recorder.content

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
        held, context, given_up = self._held, self._context, not self.keeps_steps
        reason = SAMPLED_OUT if given_up or context is None else self._refusal(trace)
        try:
            if reason or context is None:
                self._drop(reason, _NO_ROOM if given_up else "")
            else:
                self._recorder.replay(trace, context, self._wanted(held))
        finally:
            self._release()

    def replay(self, trace: Trace, context: Context, held: Sequence[HeldStep]) -> None:
        """See `Recorder`."""
        self._recorder.replay(trace, context, held)

    def _wanted(self, held: Sequence[HeldStep]) -> Sequence[HeldStep]:
        """Without the content, where it was said meanwhile that none is to be recorded."""
        if self.content or not self._has_content:
            return held
        return [
            each._replace(attributes=decisions.last_of_step(each.step, content=False))
            for each in held
        ]

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
