"""What the instrumentor changes in flujo, and how it is put back."""

import functools
import sys
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import wrapt
from opentelemetry import trace

from flujo_otel.guard import guarded
from flujo_otel.integrations.flujo import facts, open_runs
from flujo_otel.integrations.flujo.default_backend import DefaultBackend
from flujo_otel.integrations.flujo.runner import RunnerHook
from flujo_otel.integrations.flujo.step import AttachedStep, Step, current_step
from flujo_otel.recording.choice import Recording

_RUNNER: Final = "flujo.application.runner"
_EXECUTORS: Final = (
    ("flujo.application.core.ultra_executor", "UltraStepExecutor", "execute_step"),
    ("flujo.application.core.ultra_executor", "UltraStepExecutor", "_execute_complex_step"),
    ("flujo.application.core.executor_core", "ExecutorCore", "execute"),
)
_STEP_LOGIC: Final = ("flujo.application.core.step_logic", "_run_step_logic")
_AGENT_RUNNER: Final = (
    "flujo.application.core.runtime.default_components",
    "DefaultAgentRunner",
    "run",
)
_AT_START: Final = guarded("the start of a step")
_AT_END: Final = guarded("the end of a step")
_AT_ATTEMPT: Final = guarded("an attempt of a step")


class Patches:
    """One application of all patches; `undo` restores what was there, object for object."""

    def __init__(
        self, tracer: trace.Tracer, recording: Recording, backend: DefaultBackend | None = None
    ) -> None:
        self._backend = backend
        self.tracer = tracer
        self.recording = recording
        self.is_live = True
        self._undo: list[tuple[Any, str, Any, Any]] = []
        self._runners: weakref.WeakSet[Any] = weakref.WeakSet()

    def apply_when_imported(self) -> None:
        """Now if flujo is there, else when the program imports it (importing it takes a second)."""
        if _RUNNER in sys.modules:
            self._apply(sys.modules[_RUNNER])
        else:
            wrapt.register_post_import_hook(self._apply, _RUNNER)

    def undo(self) -> None:
        """Restore flujo. A runner in the middle of a run keeps our hook, which ends that run's span
        and does nothing after it; the steps still to come in that run are not traced."""
        self.is_live = False
        for owner, name, original, ours in reversed(self._undo):
            # Whoever patched on top of us keeps working: ours then only passes calls through.
            if owner.__dict__.get(name) is ours:
                setattr(owner, name, original)
        self._undo.clear()
        busy = set(map(id, open_runs.owners()))
        for runner in list(self._runners):
            if id(hook_of(runner)) not in busy:
                del runner._dispatch_hook

    def _apply(self, module: Any) -> None:
        if not self.is_live:
            return
        with guarded("instrumenting flujo"):
            runner = module.Flujo
            self._replace(runner, "__init__", self._traced_init)
            self._replace(runner, "resume_async", self._traced_resume)
            for module_name, class_name, method in _EXECUTORS:
                owner = getattr(_module(module_name), class_name, None)
                if owner is not None and method in vars(owner):
                    self._replace(owner, method, self._traced_executor)
            logic = _module(_STEP_LOGIC[0])
            if hasattr(logic, _STEP_LOGIC[1]):
                self._replace(logic, _STEP_LOGIC[1], self._watched_logic)
            agents = getattr(_module(_AGENT_RUNNER[0]), _AGENT_RUNNER[1], None)
            if hasattr(agents, _AGENT_RUNNER[2]):
                self._replace(agents, _AGENT_RUNNER[2], self._watched_agent)

    def _replace(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        original = owner.__dict__[name]
        ours = functools.wraps(original)(wrap(original))
        setattr(owner, name, ours)
        self._undo.append((owner, name, original, ours))

    def _traced_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def init(runner: Any, *args: Any, **kwargs: Any) -> None:
            if self._backend is not None and self.is_live:
                with guarded("giving a runner our state backend"):
                    self._backend.give(kwargs)
            original(runner, *args, **kwargs)
            if self.is_live:
                with guarded("tracing a runner"):
                    runner._dispatch_hook = RunnerHook(runner, self).dispatch
                    self._runners.add(runner)

        return init

    def _traced_resume(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def resume_async(runner: Any, paused_result: Any, *args: Any, **kwargs: Any) -> Any:
            context = getattr(paused_result, "final_pipeline_context", None)
            # flujo refuses to resume what is not paused; that is no part of any run.
            if self.is_live and facts.is_paused(context):
                with guarded("the start of a resumed run"):
                    hook = hook_of(runner)
                    if hook is not None:
                        hook.resume(context, args[0] if args else kwargs.get("human_input"))
            try:
                return await original(runner, paused_result, *args, **kwargs)
            finally:
                with guarded("the end of a resumed run"):
                    run = open_runs.of_context(context)
                    if run is not None:
                        open_runs.end(run, paused_result, context)

        return resume_async

    def _traced_executor(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def execute(*args: Any, **kwargs: Any) -> Any:
            step = self._begin(args, kwargs) if self.is_live else None
            if step is None:
                return await original(*args, **kwargs)
            attached = AttachedStep(step)
            try:
                returned = await original(*args, **kwargs)
            except BaseException as error:
                outcome = facts.outcome_of_exception(error)
                if not isinstance(error, GeneratorExit):
                    attached.undo()
                with _AT_END:
                    step.finish(outcome, _call(args, kwargs)[2])
                raise
            attached.undo()
            with _AT_END:
                step.finish(facts.outcome_of(returned), _call(args, kwargs)[2])
            return returned

        return execute

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Step | None:
        """The span of the step that is about to be executed; None if it is not to be traced."""
        with _AT_START:
            step, value, context = _call(args, kwargs)
            parent = current_step.get()
            run = open_runs.of_context(context)
            if run is not None and (parent is None or parent.run is not run):
                parent = None
            elif parent is None or parent.step is step:
                # Not a traced run, or the executor handing a step on to itself.
                return None
            else:
                run = parent.run
            opened = Step(run, step, parent, value, context)
            if parent is None:
                run.latest = opened
            return opened
        return None

    def _watched_logic(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def run_step_logic(*args: Any, **kwargs: Any) -> Any:
            running = original(*args, **kwargs)
            frame = running.cr_frame
            result = await running
            step = current_step.get()
            if step is not None and _was_repeated(result):
                with guarded("looking for a step's exception"):
                    # 0.4 keeps the exception of a failed attempt to itself and passes on its text
                    # alone; without this no failed step would have a type or a stack, and nobody
                    # would know why one was tried again.
                    error = frame.f_locals.get("last_exception")
                    if _was_raised(error):
                        step.error = step.retried_after = error
            return result

        return run_step_logic

    def _watched_agent(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """0.6 keeps the exceptions of attempts that it repeats to itself, and inside of other steps
        that of the last one."""

        async def run(*args: Any, **kwargs: Any) -> Any:
            step = current_step.get() if self.is_live else None
            if step is None:
                return await original(*args, **kwargs)
            with _AT_ATTEMPT:
                step.attempt()
            try:
                return await original(*args, **kwargs)
            except BaseException as error:
                with _AT_ATTEMPT:
                    if not facts.is_pause(error):
                        step.attempt_failed(error)
                raise

        return run


def _was_repeated(result: Any) -> bool:
    """Whether an attempt failed, and perhaps another one or a fallback followed."""
    return not result.success or result.attempts > 1 or bool(result.metadata_)


def _was_raised(error: Any) -> bool:
    return isinstance(error, BaseException) and error.__traceback__ is not None


def _call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """step, input and context of a call of an executor; 0.6 may pack them into a frame."""
    first: Any = args[1] if len(args) > 1 else kwargs.get("step", kwargs.get("frame_or_step"))
    # Asked last: for an attribute that it lacks, a model of pydantic's composes a message first.
    if len(args) < 3 and "data" not in kwargs and hasattr(first, "step"):
        return first.step, first.data, first.context
    data = args[2] if len(args) > 2 else kwargs.get("data")
    context = args[3] if len(args) > 3 else kwargs.get("context")
    return first, data, context


def hook_of(runner: Any) -> RunnerHook | None:
    """Our part in `runner`, if it was made while flujo was instrumented."""
    owner = getattr(vars(runner).get("_dispatch_hook"), "__self__", None)
    return owner if isinstance(owner, RunnerHook) else None


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return None
