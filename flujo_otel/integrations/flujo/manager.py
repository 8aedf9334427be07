"""TraceManager: the hook of FSD-09, on flujo's public interface alone."""

import math
import uuid
from typing import Any, Final

from opentelemetry import trace

from flujo_otel.guard import guarded
from flujo_otel.host import host
from flujo_otel.integrations.flujo import facts, open_runs, paused_runs
from flujo_otel.integrations.flujo.hook import Hook
from flujo_otel.integrations.flujo.paused_runs import Paused
from flujo_otel.integrations.flujo.pipeline import PipelineFacts
from flujo_otel.integrations.flujo.run import Run
from flujo_otel.integrations.flujo.step import AttachedStep, Step
from flujo_otel.recording.choice import Recording
from flujo_otel.semconv import flujo as semconv

SCOPE: Final = "flujo_otel.integrations.flujo"
_UNKNOWN: Final = facts.Outcome()


class TraceManager:
    """`Flujo(pipeline, hooks=[TraceManager().hook])`: a span for the run, one for each step of it.

    `tracer_provider` None: the global one. `content` False: no inputs, outputs and contexts.
    `value_limit_bytes`: where a recorded value is cut. Both None: what docs/settings.md says.
    `pipeline_name`: for flujo 0.4, which does not tell a hook what the pipeline is called. One
    manager may serve many runners and concurrent runs; a run that something else of this package
    already traces is left to it. Raises SettingsError for a setting that cannot be used.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        *,
        content: bool | None = None,
        value_limit_bytes: int | None = None,
        pipeline_name: str | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._is_global = tracer_provider is None
        self._recording = Recording.chosen(content, value_limit_bytes)
        self._pipeline_name = pipeline_name
        self._attached: dict[Step, AttachedStep] = {}
        handlers = {
            "pre_run": self._pre_run,
            "pre_step": self._pre_step,
            "post_step": self._post_step,
            "on_step_failure": self._post_step,
            "post_run": self._post_run,
        }
        self._handlers: Final = {
            event: (guarded(f"flujo's {event} hook"), handle) for event, handle in handlers.items()
        }
        self.hook: Final = Hook(self._handle)
        """flujo's hook. Never raises, changes nothing but `pipeline_result.trace_tree`."""

    def _handle(self, payload: Any) -> None:
        entry = self._handlers.get(payload.event_name)
        if entry is not None:
            guard, handle = entry
            with guard:
                handle(payload)

    def _pre_run(self, payload: Any) -> None:
        if open_runs.of_context(payload.context) is None:
            run_id = run_id_of(payload)
            paused = paused_runs.of_id(run_id)
            run = self._start(payload.context, run_id, self._pipeline(payload), paused=paused)
            run.begin(payload.initial_input)

    def _start(
        self,
        context: Any,
        run_id: str,
        pipeline: PipelineFacts,
        *,
        paused: Paused | None,
        headless: bool = False,
    ) -> Run:
        # Not when this is made: a program may set a provider, or call configure(), after that.
        if self._is_global and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            host().ensure()
        run = Run(
            self._tracer,
            self._recording,
            owner=self,
            context=context,
            run_id=run_id,
            pipeline=pipeline,
            paused=paused,
            headless=headless,
        )
        open_runs.add(run, context, paused)
        return run

    def _pipeline(self, payload: Any) -> PipelineFacts:
        name = self._pipeline_name or getattr(payload, "pipeline_name", None)
        return PipelineFacts(
            name=name or facts.UNKNOWN_PIPELINE,
            version=getattr(payload, "pipeline_version", None),
            cost_limit_usd=getattr(payload, "initial_budget_cost_usd", None),
            token_limit=getattr(payload, "initial_budget_tokens", None),
        )

    def _pre_step(self, payload: Any) -> None:
        run = self._run(payload)
        if run is None:
            return
        self._end(run, _UNKNOWN, payload.context)
        step = run.latest = Step(run, payload.step, None, payload.step_input, payload.context)
        set_quota(step, payload)
        if run.headless and step.kind.pauses:
            self._end(run, facts.Outcome(paused=""), payload.context)
        # A streaming step hands its chunks to the consumer from inside the span's context, where
        # the span would become the parent of whatever the consumer does.
        elif not step.kind.pauses and not hasattr(getattr(payload.step, "agent", None), "stream"):
            self._attached[step] = AttachedStep(step)

    def _post_step(self, payload: Any) -> None:
        run = self._run(payload)
        if run is not None:
            self._end(run, facts.Outcome(payload.step_result), payload.context)

    def _end(self, run: Run, outcome: facts.Outcome, context: Any) -> None:
        """End the run's step that is still open, if there is one."""
        step = run.latest
        if step is None or step.closed:
            return
        attached = self._attached.pop(step, None)
        if attached is not None:
            attached.undo()
        step.finish(outcome, context)
        if run.headless:
            open_runs.pause(run)

    def _post_run(self, payload: Any) -> None:
        run = self._run(payload)
        if run is None:
            return
        error = open_runs.escaping(run)
        if error is not None:
            outcome = facts.outcome_of_exception(error)
        elif facts.is_paused(payload.context):
            outcome = facts.Outcome(paused=facts.pause_message(payload.context))
        else:
            outcome = facts.Outcome()
        try:
            self._end(run, outcome, payload.context)
        finally:  # with a fault of ours on its way, too
            open_runs.end(run, payload.pipeline_result, payload.context)

    def _run(self, payload: Any) -> Run | None:
        """This manager's open run of the payload's context; one that goes on after a pause too."""
        run = open_runs.of_context(payload.context)
        if run is None:
            paused = paused_runs.of_context(payload.context)
            return self._go_on(paused, payload) if paused is not None else None
        return run if run.owner is self else None

    def _go_on(self, paused: Paused, payload: Any) -> Run:
        # flujo 0.4 tells hooks neither that a paused run goes on nor that it ends: its steps then
        # go straight under the span that paused.
        headless = not hasattr(payload, "is_background")
        run = self._start(
            payload.context, paused.run_id, paused.pipeline, paused=paused, headless=headless
        )
        if not headless:
            run.resume()  # what was answered, nobody tells a hook
        return run


def run_id_of(payload: Any) -> str:
    """flujo's id of the run that begins: 0.4 has it on the context only."""
    named = getattr(payload, "run_id", None) or getattr(payload.context, "run_id", None)
    return str(named or uuid.uuid4().hex)


def set_quota(step: Step, payload: Any) -> None:
    """What the run may still spend, which 0.6 says before each top-level step."""
    said = vars(payload)  # for what it lacks, a model of pydantic's composes a message first
    quota = {
        semconv.QUOTA_BEFORE_USD: said.get("quota_before_usd"),
        semconv.QUOTA_BEFORE_TOKENS: said.get("quota_before_tokens"),
    }
    known = {name: value for name, value in quota.items() if _is_finite(value)}
    if known:
        step.set(known)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
