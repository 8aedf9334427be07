"""The span of one run of a pipeline, from pre_run to post_run."""

import sys
import weakref
from dataclasses import replace
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from flujo_otel.integrations.flujo import facts, tree
from flujo_otel.integrations.flujo.paused_runs import Paused
from flujo_otel.integrations.flujo.pipeline import Numbering, PipelineFacts
from flujo_otel.integrations.flujo.span import OpenSpan
from flujo_otel.integrations.flujo.step import Step, current_step
from flujo_otel.recording.choice import Recording
from flujo_otel.recording.known_state import KnownState
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo as semconv
from flujo_otel.semconv import openinference
from flujo_otel.words import words_of


class Run(OpenSpan):
    """The span starts when this is made. A run inside a step (flujo's `as_step`) is a part of the
    outer run's tree."""

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
        self._context = _weakly(context) or (lambda: context)
        self.pipeline = pipeline
        self.run_id: str = outer.run.run_id if outer else paused.run_id if paused else run_id
        self.numbering = paused.numbering if paused else Numbering(pipeline.steps)
        self.stand_ins = 0
        """Tokens of its steps that are none: see `facts.stand_in_tokens`."""
        self._first_index: int | None = None
        """Of its top-level steps."""
        self.latest: Step | None = None
        """The top-level step in flight, or the one before."""
        self.news: BaseException | None = None
        """The exception that a step of this run recorded last."""
        self.caught = sys.exc_info()[1]
        """What the caller was handling when the run began: an exception that is not the run's."""
        self.is_alone = True
        """Its owner has no other open run."""
        self.headless = headless
        """No span of its own: its steps go under the span that paused."""
        attributes = self._first_attributes(run_id, paused is not None)
        span = self._started(attributes, paused)
        super().__init__(span, semconv.PIPELINE_RUN, attributes, recording, outer)
        self.known_context = KnownState()
        """flujo's context as it was recorded last: it is recorded again once it has changed."""
        self.context(semconv.EVENT_CONTEXT_BEFORE, context, self.known_context)
        self.is_context_due = False
        """flujo may have changed the context since a step ended: it is compared once more."""

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

    def _started(self, attributes: dict[str, Any], paused: Paused | None) -> trace.Span:
        """Its span: of a run that goes on one beneath the span that paused, or (headless) a
        stand-in for that very span."""
        if paused is None:
            return self.tracer.start_span(semconv.PIPELINE_RUN, attributes=attributes)
        if self.headless:
            return NonRecordingSpan(paused.span_context)
        above = _under(paused.span_context)
        return self.tracer.start_span(semconv.PIPELINE_RUN, context=above, attributes=attributes)

    @property
    def context_object(self) -> Any:
        """flujo's context, which is one object from the start of the run to its end."""
        return self._context()

    def below(self) -> Context:
        """The OpenTelemetry context for this run's top-level steps."""
        return trace.set_span_in_context(self.span)

    def next_index(self, step: Any, *, nested: bool) -> int:
        """The number of the step that begins now, among all of the outermost run; `nested`: it is
        in another step."""
        if self.outer is not None:
            return self.outer.run.next_index(step, nested=True)
        if nested:
            return self.numbering.next_nested()
        index = self.numbering.next_top_level(step)
        if self._first_index is None:
            self._first_index = index
        return index

    def is_news(self, error: BaseException) -> bool:
        """False where a step further in has already recorded this exception."""
        if error is self.news:
            return False
        self.news = error
        if self.outer is not None:
            self.outer.run.is_news(error)
        return True

    def adopt(self, owner: object, pipeline: PipelineFacts) -> None:
        """Belong to `owner` from now on, which knows the pipeline better, its name perhaps not."""
        if pipeline.name == facts.UNKNOWN_PIPELINE:
            pipeline = replace(pipeline, name=self.pipeline.name)
        self.owner = owner
        self.numbering.know(pipeline.steps)
        name = semconv.PIPELINE_NAME if self.outer is None else semconv.NESTED_PIPELINE_NAME
        self.set({name: pipeline.name} | pipeline.attributes())
        self.pipeline = pipeline

    def begin(self, value: object) -> None:
        """What the run was given."""
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
        status = self.status(result, context, error)
        self._totals(result, context, has_failed=status == semconv.STATUS_FAILED)
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
        said = facts.run_status(result, context)
        # 0.6 says paused, too, of a run that failed after a human's answer, before its last step.
        has_failed = self.latest is not None and self.latest.node.status == semconv.STATUS_FAILED
        return semconv.STATUS_FAILED if said == semconv.STATUS_PAUSED and has_failed else said

    def _is_cut_short(self) -> bool:
        """Whether a step never ended. 0.4 calls an abandoned run completed if the steps before that
        one were."""
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

    def _totals(self, result: Any, context: Any, *, has_failed: bool) -> None:
        history = getattr(result, "step_history", None) or ()
        last = history[-1] if history else None
        # 0.6 calls a step a success that went over a usage limit and has no output.
        if last is not None and (last.output is not None or (last.success and not has_failed)):
            self.value(last.output, openinference.OUTPUT_VALUE)
        own = history[self._earlier_count(len(history)) :]
        cost_usd = sum(map(facts.cost_of, own))
        if len(own) == len(history):  # else it has, or has not, what the parts before cost
            cost_usd = float(getattr(result, "total_cost_usd", 0.0) or 0.0)
        tokens = sum(map(facts.tokens_of, own))
        self.set(
            {
                semconv.TOTAL_COST_USD: cost_usd,
                semconv.TOTAL_TOKENS: max(tokens - self.stand_ins, 0),
            }
        )
        if self.outer is not None:
            self.outer.stand_ins += self.stand_ins
        if context is not None:
            self.value(context, semconv.FINAL_CONTEXT)

    def _earlier_count(self, count: int) -> int:
        """How many of the `count` entries of flujo's history are of parts before this one, which
        have their own spans: of a run that goes on flujo adds them all up again."""
        if self.outer is not None or self._first_index is None:
            return count if self.node.attributes.get(semconv.RESUMED) else 0
        return self._first_index if self._first_index <= count else 0

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
        if self.is_alone and self.outer is None and tree.graft(self.node, existing):
            return
        if result is not None:
            result.trace_tree = self.node

    def paused(self) -> Paused:
        """What it takes to go on later."""
        self.numbering.pause()
        return Paused(
            self.run_id,
            self.span.get_span_context(),
            self.numbering,
            self.pipeline,
            _weakly(self.context_object),
        )


def _outer_step() -> Step | None:
    """The step inside which a run begins, if that step's run is still open."""
    step = current_step.get()
    if step is None or (step.closed and step.run.closed):
        return None
    return step


def _under(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent))


def _weakly(value: Any) -> "weakref.ref[Any] | None":
    try:
        return weakref.ref(value)
    except TypeError:
        return None
