"""StepContext: one decision while it is made."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span

from flujo_otel.recording.failure import error_type
from flujo_otel.storage.decisions import EVALUATIONS, LLM, RANKED_CANDIDATES
from flujo_otel.storage.snapshot import snapshot, snapshot_name, snapshot_object, snapshot_text
from flujo_otel.storage.traces import SpanFacts, Step
from flujo_otel.xray import failure
from flujo_otel.xray.block import Block, current_block
from flujo_otel.xray.evaluation import evaluation_of
from flujo_otel.xray.lifetime import NOTING, Lifetime
from flujo_otel.xray.mistake import say

if TYPE_CHECKING:
    from flujo_otel.xray.trace import TraceContext

_ONE_CANDIDATE: Final = (
    "add_ranking: one candidate a call, by its id: add_ranking('B1', 0.9, 'cheapest'); what else "
    "is known of it goes into `item_data`"
)
_NO_ID: Final[tuple[type, ...]] = (list, tuple, dict)


class StepContext(Lifetime):
    """`with trace.step("name") as step:`, or `async with`. `.step` is the live model.

    What a method is given is copied there and then: what the program does to it afterwards is not
    part of the decision. Nothing here raises but what the storage that was passed in raises.
    """

    __slots__ = ("_above", "_trace", "step")

    def __init__(self, trace: "TraceContext", name: str, above: "StepContext | None") -> None:
        self.step = Step(
            trace_id=trace.trace.trace_id,
            name=snapshot_name(name),
            step_order=trace._next_order(),
        )
        super().__init__(self.step, trace.recorder)
        self._trace = trace
        self._above = above
        facts = self.step._span = SpanFacts()
        facts.nest = ref(self)
        trace._add(self.step)

    # --- while it is open --------------------------------------------------------------------

    def nested(self, name: str) -> "StepContext":
        """A step inside this one, which `step.step(name)` gives too."""
        return StepContext(self._trace, name, self)

    def set_input(self, input_data: Mapping[str, Any]) -> None:
        """What goes in. What is no mapping becomes its member `value`."""
        self.step.input = snapshot_object(input_data)
        if self.is_open:
            with self.recorder.guard:
                self.recorder.note_input(self.step, self.span)
        else:
            self._say_not_open()

    def set_output(self, output_data: Mapping[str, Any] | None) -> None:
        """What comes out; None: nothing."""
        if not self.is_open:
            self._say_not_open()
        self.step.output = None if output_data is None else snapshot_object(output_data)

    def set_reasoning(self, reasoning: str) -> None:
        """Why it was decided so."""
        if not self.is_open:
            self._say_not_open()
        self.step.reasoning = None if reasoning is None else snapshot_text(reasoning)

    def add_evaluation(
        self,
        item_id: str,
        item_data: Mapping[str, Any],
        filters: list[dict[str, Any]],
        qualified: bool,
        reasoning: str | None = None,
    ) -> None:
        """What the filters said of one item: `[{"name": ..., "passed": ..., "detail": ...}]`.
        `qualified` and each `passed` are true where Python takes the value for true."""
        with NOTING:
            self._pattern(EVALUATIONS).append(
                evaluation_of(item_id, item_data, filters, qualified, reasoning)
            )

    def add_ranking(
        self,
        item_id: str,
        score: float | None = None,
        reason: str | None = None,
        *,
        rank: int | None = None,
        item_data: Mapping[str, Any] | None = None,
    ) -> None:
        """One candidate of a ranking, best first. `rank` None: the next one, whatever the `score`:
        of a distance the smallest is the best."""
        if type(item_id) in _NO_ID:
            say(_ONE_CANDIDATE)
        with NOTING:
            candidates = self._pattern(RANKED_CANDIDATES)
            # As JSON a Decimal is a text, of which no bar can be drawn; float() refuses an sNaN.
            if isinstance(score, Decimal) and not score.is_snan():
                score = float(score)
            candidates.append(
                {
                    "item_id": snapshot(item_id),
                    "rank": len(candidates) + 1 if rank is None else snapshot(rank),
                    "score": snapshot(score),
                    "reason": snapshot(reason),
                    "item_data": snapshot(item_data),
                }
            )

    def add_llm_metadata(
        self,
        model: str,
        tokens_used: int | None = None,
        temperature: float | None = None,
        **kwargs: Any,
    ) -> None:
        """What model was asked, and how. Of `kwargs` these become `gen_ai.*` too: provider,
        input_tokens and output_tokens (or prompt_tokens and completion_tokens; or both in `usage`),
        finish_reason, response_model, top_p, max_tokens and others (docs/xray.md)."""
        if not self.is_open:
            self._say_not_open()
        given = {"model": model, "tokens_used": tokens_used, "temperature": temperature, **kwargs}
        with NOTING:
            self.step.metadata[LLM] = snapshot_object(given)

    # --- its beginning and end ---------------------------------------------------------------

    @property
    def owner(self) -> Block:
        """See `Block`."""
        return self._above or self._trace

    def _record_start(self, outside: Context, start_ns: int) -> Span:
        span = self.recorder.begin_step(self.step, outside, start_ns)
        if self.step.input:
            self.recorder.note_input(self.step, span)
        return span

    def _record_end(self, end_ns: int) -> None:
        self.recorder.end_step(self.step, self.span, end_ns)

    def _outside(self) -> Context:
        """The current context where that is inside of what this step belongs to; another thread's
        is not, and what this step belongs to is current there then."""
        current = get_current()
        block = current_block(current)
        if block is self.owner:
            return current
        if self._above is None and isinstance(block, StepContext) and block._trace is self._trace:
            return current
        return self.owner._set_in(current)

    def _note_failure(self, error: BaseException, end_ns: int) -> None:
        self.step.error = failure.message_of(error)
        if self.step._span is not None:
            self.step._span.error_type = error_type(error)
        if self._trace._is_news(error):
            self.recorder.event(self.step, self.span, failure.event_of(error, end_ns))

    def _pattern(self, member: str) -> list[Any]:
        """The list of this name in the metadata."""
        if not self.is_open:
            self._say_not_open()
        found = self.step.metadata.get(member)
        if not isinstance(found, list):
            found = self.step.metadata[member] = []
        return found
