"""The span of one run of a pipeline, from pre_run to post_run, and where open runs are found."""

import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from flujo_otel.integrations.flujo import facts, tree
from flujo_otel.integrations.flujo.pipeline import Numbering, PipelineFacts
from flujo_otel.integrations.flujo.span import OpenSpan
from flujo_otel.integrations.flujo.step import Step, current_step
from flujo_otel.recording.content import Recording
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo as semconv
from flujo_otel.semconv import openinference
from flujo_otel.words import words_of

_PAUSED_LIMIT: Final = 1024


@dataclass(slots=True)
class Paused:
    """What is kept of a paused run, so that it can go on in its first trace."""

    run_id: str
    span_context: SpanContext
    numbering: Numbering
    pipeline: PipelineFacts
    context: "weakref.ref[Any] | None"


class Run(OpenSpan):
    """Opens with the object. Inside a step (`as_step`) it is a subtree of the outer run."""

    def __init__(
        self,
        tracer: trace.Tracer,
        recording: Recording,
        *,
        owner: object,
        context: Any,
        run_id: str,
        pipeline: PipelineFacts,
        paused: Paused | None = None,
        headless: bool = False,
    ) -> None:
        outer: Step | None = _outer_step()
        self.outer = outer
        self.tracer = tracer
        self.owner = owner
        self._context = _weakly(context, _lost) or (lambda: context)
        self.pipeline = pipeline
        self.run_id: str = outer.run.run_id if outer else paused.run_id if paused else run_id
        self.numbering = paused.numbering if paused else Numbering(pipeline.steps)
        self.latest: Step | None = None
        """The top-level step in flight, or the one before."""
        self.news: BaseException | None = None
        self.caught = sys.exc_info()[1]
        """What the caller was already handling when the run began is none of the run's."""
        self.alone = _alone(owner, None)
        self.headless = headless
        """No span of its own: its steps go under the span that paused."""
        attributes = self._first_attributes(run_id, paused is not None)
        span: trace.Span
        if paused is not None and headless:
            span = NonRecordingSpan(paused.span_context)
        else:
            above = _under(paused.span_context) if paused else None
            span = tracer.start_span(semconv.PIPELINE_RUN, context=above, attributes=attributes)
        super().__init__(span, semconv.PIPELINE_RUN, attributes, recording, outer)
        self.known_context = self.context(semconv.EVENT_CONTEXT_BEFORE, context, {})
        """As it was recorded last: a step records it only where it is another one."""
        self.is_context_due = False
        """It changes after a step has ended, so it is looked at once more."""

    def _first_attributes(self, inner_id: str, is_resumed: bool) -> dict[str, Any]:
        attributes: dict[str, Any] = {semconv.RUN_ID: self.run_id}
        if self.outer is None:
            attributes[semconv.PIPELINE_NAME] = self.pipeline.name
        else:
            attributes[semconv.NESTED_PIPELINE_NAME] = self.pipeline.name
            attributes[semconv.NESTED_RUN_ID] = inner_id
        if is_resumed:
            attributes[semconv.RESUMED] = True
        return redactor().attributes(attributes | self.pipeline.attributes())

    @property
    def context_object(self) -> Any:
        """flujo's context, which is one object from the start of the run to its end."""
        return self._context()

    def holds(self, reference: object) -> bool:
        return self._context is reference

    def below(self) -> Context:
        """The OpenTelemetry context for this run's top-level steps."""
        return trace.set_span_in_context(self.span)

    def next_index(self, step: Any, *, nested: bool) -> int:
        if self.outer is not None:
            return self.outer.run.next_index(step, nested=True)
        return self.numbering.next_nested() if nested else self.numbering.next_top_level(step)

    def is_news(self, error: BaseException) -> bool:
        """False where a step further in has already recorded this exception."""
        if error is self.news:
            return False
        self.news = error
        if self.outer is not None:
            self.outer.run.is_news(error)
        return True

    def adopt(self, owner: object, pipeline: PipelineFacts) -> None:
        """Hand the run, whose first hook knew less, on to `owner`."""
        self.owner = owner
        self.alone = _alone(owner, self)
        self.numbering.know(pipeline.steps)
        name = semconv.PIPELINE_NAME if self.outer is None else semconv.NESTED_PIPELINE_NAME
        self.set({name: pipeline.name} | pipeline.attributes())
        self.pipeline = pipeline

    def begin(self, value: object) -> None:
        self.value(value, semconv.INPUT, openinference.INPUT_VALUE)

    def resume(self) -> None:
        """Say that a human answered."""
        self.set({semconv.RESUMED: True})
        self.event(semconv.EVENT_RESUMED, {})

    def answer(self, answer: object) -> None:
        """What the human answered is the input of what follows."""
        self.value(answer, openinference.INPUT_VALUE)

    def finish(self, result: Any, context: Any, error: BaseException | None) -> None:
        """End the run by flujo's verdict, or by the exception that escapes from it."""
        if self.closed:
            return
        if self.is_context_due:
            self.context(semconv.EVENT_CONTEXT_AFTER, context, self.known_context)
        self._totals(result, context)
        status = self.status(result, context, error)
        if error is not None and not facts.is_pause(error):
            self._failure(facts.Outcome(error=error))
        elif status == semconv.STATUS_PAUSED:
            message = facts.pause_message(context)
            self.event(semconv.EVENT_PAUSED, {semconv.MESSAGE: message})
            self.end(status)
        elif status == semconv.STATUS_FAILED or self._is_cut_short():
            self._failure(self._blame(facts.last_failure(result)))
        else:
            self.end(status)

    def status(self, result: Any, context: Any, error: BaseException | None) -> str:
        """By flujo's verdict, or by the exception that escapes."""
        if error is not None and not facts.is_pause(error):
            return semconv.STATUS_FAILED
        return facts.run_status(result, context)

    def _is_cut_short(self) -> bool:
        """A step never ended: 0.4 calls an abandoned run completed if those before it were."""
        step = self.latest
        if step is None or not step.closed:
            return step is not None
        return step.node.status == semconv.STATUS_FAILED and not step.has_result

    def _blame(self, failed: facts.Outcome) -> facts.Outcome:
        """`failed` with the exception that a step recorded, where that is the one behind it."""
        message = getattr(failed.result, "feedback", None)
        if self.news is None or (failed.result and words_of(self.news) not in (message or "")):
            return failed
        return facts.Outcome(failed.result, self.news)

    def _totals(self, result: Any, context: Any) -> None:
        history = getattr(result, "step_history", None) or ()
        if history and (history[-1].success or history[-1].output is not None):
            self.value(history[-1].output, openinference.OUTPUT_VALUE)
        self.set(
            {
                semconv.TOTAL_COST_USD: float(getattr(result, "total_cost_usd", 0.0) or 0.0),
                semconv.TOTAL_TOKENS: sum(step.token_counts or 0 for step in history),
            }
        )
        if context is not None:
            self.value(context, semconv.FINAL_CONTEXT)

    def _failure(self, outcome: facts.Outcome) -> None:
        if outcome.error is not None:
            if facts.is_usage_limit(outcome.error):
                message = clipped(outcome.error)
                self.event(semconv.EVENT_BUDGET_VIOLATION, {semconv.MESSAGE: message})
            if self.is_news(outcome.error):
                self.exception(outcome.error)
        self.fail(outcome, facts.error_message(outcome) or "did not finish")

    def leave_tree(self, result: Any) -> None:
        """Put the finished tree on the result (FSD-09, 5.1)."""
        existing = getattr(result, "trace_tree", None)
        if self.alone and self.outer is None and tree.graft(self.node, existing):
            return
        if result is not None:
            result.trace_tree = self.node

    def keep_paused(self) -> None:
        """Remember where a paused run stopped; of very many the oldest are forgotten."""
        self.numbering.pause()
        paused_runs[self.run_id] = Paused(
            self.run_id,
            self.span.get_span_context(),
            self.numbering,
            self.pipeline,
            _weakly(self.context_object),
        )
        while len(paused_runs) > _PAUSED_LIMIT:
            paused_runs.popitem(last=False)


open_runs: Final[dict[int, Run]] = {}
"""Runs between pre_run and post_run by the id of their context object, which each run holds."""
lost_runs: Final[deque[Run]] = deque()
"""Runs whose context is gone without a post_run: 0.4 sends none if its state backend fails."""
paused_runs: Final[OrderedDict[str, Paused]] = OrderedDict()


def add_run(run: Run, context: object) -> None:
    """Make `run` the open one of `context`; end those that flujo has lost meanwhile."""
    open_runs[id(context)] = run
    while lost_runs:
        lost_runs.popleft().end(semconv.STATUS_FAILED, "flujo never told how it ended")


def _lost(reference: object) -> None:
    # The garbage collector calls this, perhaps inside a span processor's lock: nothing ends here.
    for key, run in list(open_runs.items()):
        if run.holds(reference):
            del open_runs[key]
            lost_runs.append(run)


def end_run(run: Run, result: Any, context: Any) -> None:
    """End `run` and leave its tree on `result`; to be called from flujo's own clean-up code."""
    open_runs.pop(id(context), None)
    error = escaping(run)
    try:
        run.finish(result, context, error)
    finally:  # of a fault of ours before the end of the span the run is not told
        if not run.closed:
            run.end(run.status(result, context, error))
        if run.node.status == semconv.STATUS_PAUSED and run.outer is None:
            run.keep_paused()
        run.leave_tree(result)


def escaping(run: Run) -> BaseException | None:
    """The exception on its way out of the run: flujo sends post_run from a `finally`."""
    error = sys.exc_info()[1]
    if error is run.caught or isinstance(error, GeneratorExit):
        return None
    return error


def open_run(context: object) -> Run | None:
    """The open run whose context this very object is: its id() may change names during a run."""
    run = open_runs.get(id(context))
    return run if run is not None and run.context_object is context else None


def paused_run(context: Any) -> Paused | None:
    """The run that this context was paused in, in this process."""
    found = paused_runs.get(str(getattr(context, "run_id", None)))
    if found is not None:
        return found
    held = (each for each in paused_runs.values() if each.context is not None)
    return next((each for each in held if each.context and each.context() is context), None)


def _outer_step() -> Step | None:
    """The step inside which a run begins, if that step's run is still open."""
    step = current_step.get()
    if step is None or (step.closed and step.run.closed):
        return None
    return step


def _alone(owner: object, itself: Run | None) -> bool:
    """Whether `owner` has no other open run, and tell those that it has."""
    others = [run for run in list(open_runs.values()) if run.owner is owner and run is not itself]
    for run in others:
        run.alone = False
    return not others


def _under(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent))


def _weakly(
    value: Any, callback: "Callable[[weakref.ref[Any]], None] | None" = None
) -> "weakref.ref[Any] | None":
    try:
        return weakref.ref(value, callback)
    except TypeError:
        return None
