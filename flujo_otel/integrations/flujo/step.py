"""The span of one step while it runs."""

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import attach, get_current

from flujo_otel.integrations.flujo import facts
from flujo_otel.integrations.flujo.span import OpenSpan
from flujo_otel.recording.content import Content
from flujo_otel.recording.failure import brief_exception, describe
from flujo_otel.recording.known_state import KnownState
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo as semconv
from flujo_otel.semconv import openinference
from flujo_otel.words import words_of

if TYPE_CHECKING:
    from flujo_otel.integrations.flujo.run import Run

current_step: Final[ContextVar["Step | None"]] = ContextVar("flujo_otel_step", default=None)
"""The innermost step that the running code belongs to."""


class Step(OpenSpan):
    """The span starts when this is made. `parent` None: a top-level step of `run`. `value`: its
    input."""

    __slots__ = (
        "_known_copy",
        "branches",
        "entries",
        "entry_name",
        "error",
        "fell_back",
        "has_result",
        "index",
        "kind",
        "parent",
        "retried_after",
        "retries_told",
        "rounds",
        "run",
        "stand_ins",
        "step",
    )

    def __init__(
        self, run: "Run", step: Any, parent: "Step | None", value: object, context: object
    ) -> None:
        self.run = run
        self.step = step
        self.kind = facts.kind_of(step)
        self.parent = parent
        self.rounds = 0
        self.entries = 0
        self.branches: dict[int, list[str]] | None = None
        """Found once, when a child asks: to search them for each child would be quadratic."""
        self.entry_name: str | None = None
        self.error: BaseException | None = None
        """The exception behind a failure that flujo itself does not pass on."""
        self.retried_after: BaseException | None = None
        """The exception of the attempt before the one that succeeded."""
        self.retries_told = 0
        self.stand_ins = 0
        """Tokens of the steps in it that are none: see `facts.stand_in_tokens`."""
        self.fell_back = False
        self.has_result = False
        self.index = run.next_index(step, nested=parent is not None)
        name = redactor().text(str(getattr(step, "name", None) or self.kind.type))
        attributes = self._first_attributes()
        above = parent or run
        # The input is set with the start, in one call, where what is above is recorded: then this
        # span will be recorded too, most likely.
        ahead = Content(above.span, run.recording)
        given = ahead.json(value, openinference.INPUT_VALUE)
        span = run.tracer.start_span(
            name,
            context=run.below() if parent is None else None,
            attributes={**attributes, **given},
        )
        made = ahead if given else None
        super().__init__(span, name, attributes, run.recording, above, content=made)
        if not given:
            self.value(value, openinference.INPUT_VALUE)
        self._known_copy = None if context is run.context_object else KnownState()
        """Of the copy of the run's context that it works on, as steps in a loop or a branch do."""
        self._enter(context)

    def _first_attributes(self) -> dict[str, Any]:
        """Without secrets; ids are never redacted, the store knows a step's run by them."""
        run_id = self.run.run_id
        attributes: dict[str, Any] = {
            semconv.STEP_TYPE: self.kind.type,
            semconv.STEP_INDEX: self.index,
            semconv.STEP_POLICY: self.kind.policy,
        }
        if self.parent is not None:
            self.parent.place(self.step, attributes)
        attributes = redactor().attributes(attributes)
        attributes[semconv.RUN_ID] = run_id
        attributes[semconv.STEP_ID] = f"{run_id}:{self.index}"
        return attributes

    def place(self, child: Any, attributes: dict[str, Any]) -> None:
        """Say which round or branch of this step `child` belongs to; a fallback is an event."""
        if getattr(self.step, "fallback_step", None) is child:
            self.fall_back({})
        elif self.kind.is_loop:
            attributes[semconv.ITERATION_NUMBER] = self._round_of(child)
        elif self.kind.has_branches:
            if self.branches is None:
                self.branches = facts.branches_of(self.step)
            keys = self.branches.get(id(child))
            if keys:
                # One step object in several branches: they start in the branches' order.
                attributes[semconv.PARALLEL_BRANCH] = keys[self.entries % len(keys)]
                self.entries += len(keys) > 1

    def _round_of(self, child: Any) -> int:
        """A round begins with the body's first step, or with the name that came first."""
        first = facts.first_of_body(self.step, child)
        name = getattr(child, "name", None)
        if self.rounds == 0:
            self.entry_name = name
        if self.rounds == 0 or (child is first if first is not None else name == self.entry_name):
            self.rounds += 1
        return self.rounds

    def fall_back(self, attributes: dict[str, Any]) -> None:
        """Say, once, that its fallback was taken."""
        if not self.fell_back:
            self.fell_back = True
            self.set({semconv.FALLBACK_TRIGGERED: True})
            self.event(semconv.EVENT_FALLBACK, attributes)

    def attempt(self) -> None:
        """Another call of its agent begins; say why, where the one before failed."""
        before, self.error = self.error, None
        if before is not None:
            self.retries_told += 1
            self._retry(self.retries_told + 1, before)

    def attempt_failed(self, error: BaseException) -> None:
        """Its agent raised `error`."""
        # flujo cancels an attempt that takes too long; a step that is cancelled has no further one.
        is_cut = isinstance(error, asyncio.CancelledError)
        self.error = TimeoutError() if is_cut else error

    def finish(self, outcome: facts.Outcome, context: object) -> None:
        """End the span by how the step ended."""
        if self.closed:
            return
        self.has_result = outcome.result is not None
        try:
            self._leave(context)
            if self.has_result:
                self._result(outcome.result)
            elif not self.node.children:
                spent = facts.over_limit(outcome.error, self.step)
                self.set_at_end(facts.usage_attributes(spent, facts.stand_in_tokens(spent)))
        finally:  # with a fault of ours on its way, too
            self._end_as(outcome)

    def _end_as(self, outcome: facts.Outcome) -> None:
        result = outcome.result
        if outcome.background_task_id is not None:
            self.set({semconv.BACKGROUND_TASK_ID: outcome.background_task_id})
            self.end(semconv.STATUS_COMPLETED)
        elif outcome.paused is not None:
            self.event(semconv.EVENT_PAUSED, {semconv.MESSAGE: clipped(outcome.paused)})
            self.end(semconv.STATUS_PAUSED)
        elif outcome.error is None and result is not None and result.success:
            self.end(semconv.STATUS_COMPLETED)
        else:
            self._failure(facts.Outcome(result, outcome.error or self._error_behind(result)))

    def _error_behind(self, result: Any) -> BaseException | None:
        """What its last attempt raised, where it is what the failed `result` speaks of."""
        feedback = words_of(getattr(result, "feedback", None) or "")
        return self.error if self.error and words_of(self.error) in feedback else None

    def _enter(self, context: object) -> None:
        """Record the context that the step begins with, where it is not known already: a copy, or
        the run's own where flujo has changed it since the last step ended."""
        run = self.run
        name = semconv.EVENT_CONTEXT_BEFORE
        if self._known_copy is not None:
            self.context(name, context, self._known_copy, is_copy=True)
        elif run.is_context_due:
            run.is_context_due = False
            self.context(name, context, run.known_context)

    def _leave(self, context: object) -> None:
        """Record the context that the step leaves behind, where that has changed."""
        name = semconv.EVENT_CONTEXT_AFTER
        if self._known_copy is not None:
            self.context(name, context, self._known_copy, is_copy=True)
            return
        run = self.run
        self.context(name, context, run.known_context)
        # flujo writes the step's output into it after this.
        run.is_context_due = bool(getattr(self.step, "updates_context", False))

    def _result(self, result: Any) -> None:
        stand_ins = max(self.stand_ins, facts.stand_in_tokens(result))
        attributes = facts.result_attributes(result, self.kind, self.step, stand_ins)
        first = attributes.get(semconv.FALLBACK_ORIGINAL_ERROR)
        if first and self.error is not None and first == words_of(self.error):
            attributes[semconv.FALLBACK_ORIGINAL_ERROR] = describe(self.error)
        # For a pipeline inside a step flujo adds the tokens of that up later.
        counted = facts.tokens_of(result)
        (self.parent or self.run).stand_ins += (
            min(stand_ins, counted)
            if counted
            else max(stand_ins, facts.stand_ins_handed_on(result))
        )
        has_output = result.success or result.output is not None
        self.set_at_end(
            attributes,
            self.content.json(result.output, openinference.OUTPUT_VALUE) if has_output else None,
        )
        attempts = attributes.get(semconv.STEP_ATTEMPTS, 1)
        if attempts > self.retries_told + 1:
            self._retry(attempts, self.retried_after)
        if attributes.get(semconv.FALLBACK_TRIGGERED):
            name = semconv.FALLBACK_ORIGINAL_ERROR
            self.fall_back({name: attributes[name]} if name in attributes else {})

    def _retry(self, attempt: int, before: BaseException | None) -> None:
        reason = {} if before is None else brief_exception(before)
        self.event(semconv.EVENT_RETRY, {semconv.STEP_ATTEMPTS: attempt, **reason})

    def _failure(self, outcome: facts.Outcome) -> None:
        if outcome.error is not None and self.run.is_news(outcome.error):
            self.exception(outcome.error)
            if facts.is_usage_limit(outcome.error):
                message = clipped(outcome.error)
                self.event(semconv.EVENT_BUDGET_VIOLATION, {semconv.MESSAGE: message})
        self.fail(outcome, facts.error_message(outcome) or "did not finish")


class AttachedStep:
    """Makes a step and its span the current ones, for the code that runs until `undo`.

    What `Attached` does, with `current_step` to say where it was set: each further key in
    OpenTelemetry's context is another copy of it.
    """

    __slots__ = ("_before", "_step", "_step_before")

    def __init__(self, step: Step) -> None:
        self._step = step
        self._step_before = current_step.get()
        self._before = get_current()
        current_step.set(step)
        attach(trace.set_span_in_context(step.span, self._before))

    def undo(self) -> None:
        """Put back what was current before. In another task, which never had this step, nothing."""
        if current_step.get() is self._step:
            current_step.set(self._step_before)
            attach(self._before)
