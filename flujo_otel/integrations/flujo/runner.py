"""The instrumentor's part in a runner: its runs' spans; the executor's wrapper has the steps'."""

import weakref
from types import SimpleNamespace
from typing import Any, Protocol

from opentelemetry import trace

from flujo_otel.guard import guarded
from flujo_otel.integrations.flujo import facts, open_runs, paused_runs
from flujo_otel.integrations.flujo.manager import run_id_of
from flujo_otel.integrations.flujo.paused_runs import Paused
from flujo_otel.integrations.flujo.pipeline import PipelineFacts
from flujo_otel.integrations.flujo.run import Run
from flujo_otel.recording.choice import Recording


class Instrumentation(Protocol):
    """What the hooks of one application of the instrumentor share: see `patches.Patches`."""

    tracer: trace.Tracer
    recording: Recording
    is_live: bool


class RunnerHook:
    """Knows its runner, so a run's span has the pipeline's name and its steps their true index.

    It stands in for the runner's own dispatch of hooks, not in its list of hooks: for one hook in
    that list flujo builds and dispatches two payloads a step.
    """

    def __init__(self, runner: Any, instrumentation: Instrumentation) -> None:
        self._runner = weakref.ref(runner)
        self._instrumentation = instrumentation

    async def dispatch(self, event: str, **payload: Any) -> None:
        """Do what the runner's `_dispatch_hook` does, then our part of it."""
        runner: Any = self._runner()
        await type(runner)._dispatch_hook(runner, event, **payload)
        if event == "pre_run" and self._instrumentation.is_live:
            with guarded("the start of a run"):
                self._pre_run(SimpleNamespace(**payload))
        elif event == "post_run":
            with guarded("the end of a run"):
                self._post_run(SimpleNamespace(**payload))

    def _post_run(self, payload: Any) -> None:
        run = open_runs.of_context(payload.context)
        if run is not None and run.owner is self:
            open_runs.end(run, payload.pipeline_result, payload.context)

    def _pre_run(self, payload: Any) -> None:
        run = open_runs.of_context(payload.context)
        if run is not None:
            # A TraceManager was quicker: its span stays the run's, what follows is ours.
            open_runs.hand_on(run, self, self._pipeline())
            return
        run_id = run_id_of(payload)
        self._start(payload.context, run_id, paused_runs.of_id(run_id)).begin(payload.initial_input)

    def resume(self, context: Any, answer: Any) -> None:
        """Go on in the trace of the run that was paused with `context`, if this process saw it."""
        paused = paused_runs.of_context(context)
        run_id = paused.run_id if paused else str(getattr(context, "run_id", ""))
        run = self._start(context, run_id, paused)
        run.resume()
        run.answer(answer)

    def _start(self, context: Any, run_id: str, paused: Paused | None) -> Run:
        run = Run(
            self._instrumentation.tracer,
            self._instrumentation.recording,
            owner=self,
            context=context,
            run_id=run_id,
            pipeline=self._pipeline(),
            paused=paused,
        )
        open_runs.add(run, context, paused)
        return run

    def _pipeline(self) -> PipelineFacts:
        runner = self._runner()
        limits = getattr(runner, "usage_limits", None)
        return PipelineFacts(
            name=getattr(runner, "pipeline_name", None) or facts.UNKNOWN_PIPELINE,
            version=getattr(runner, "pipeline_version", None),
            cost_limit_usd=getattr(limits, "total_cost_usd_limit", None),
            token_limit=getattr(limits, "total_tokens_limit", None),
            steps=getattr(getattr(runner, "pipeline", None), "steps", None),
        )
