"""FlujoInstrumentor: with a TraceManager, twice, taken off again, and without flujo."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from flujo import Flujo
from flujo.application import runner as runner_module
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel.integrations.flujo import FlujoInstrumentor, TraceManager
from flujo_otel.integrations.flujo.patches import hook_of
from support.flujo_runs import FLUJO, Traced, last_of
from support.flujo_steps import adds, loop, pipe, sour
from support.flujo_steps import call as step_of

NESTED = (
    "pipeline_run completed\n"
    "  climb [0] completed 2 rounds exit condition\n"
    "    up [1] completed #1\n"
    "    up [2] completed #2"
)


def climb() -> Any:
    return pipe(loop("climb", adds("up"), until=lambda out, _: out >= 2))


def patched() -> list[Any]:
    """Everything in flujo that the instrumentor may replace."""
    if FLUJO < (0, 6):
        from flujo.application.core import step_logic
        from flujo.application.core.ultra_executor import UltraStepExecutor as Executor

        places = [vars(step_logic)["_run_step_logic"], *vars(Executor).values()]
    else:
        from flujo.application.core.executor_core import ExecutorCore as Executor

        places = [*vars(Executor).values()]
    return [*places, *vars(runner_module.Flujo).values()]


def test_with_a_trace_manager_nothing_doubles(instrumented: Traced) -> None:
    for manager_first in (True, False):
        manager = TraceManager(instrumented.provider, pipeline_name="by hand")
        runner = instrumented.runner(climb(), hooks=[manager.hook] if manager_first else [])
        if not manager_first:
            runner.hooks.append(manager.hook)
        instrumented.drive(lambda r=runner: last_of(r.run_async(0)))
        assert instrumented.tree() == NESTED
        assert instrumented.named("pipeline_run").attributes["flujo.pipeline.name"] == "demo"
        instrumented.exporter.clear()


@pytest.mark.skipif(FLUJO >= (0, 6), reason="flujo 0.6 makes a name up")
def test_a_pipeline_s_name_that_a_trace_manager_alone_knows_stays(instrumented: Traced) -> None:
    manager = TraceManager(instrumented.provider, pipeline_name="by hand")
    runner = instrumented.runner(pipe(adds("one")), hooks=[manager.hook], pipeline_name=None)
    instrumented.drive(lambda: last_of(runner.run_async(0)))
    assert "by hand" == instrumented.named("pipeline_run").attributes["flujo.pipeline.name"]


def test_none_of_a_runner_s_hooks_is_ours(instrumented: Traced) -> None:
    """For one hook more flujo would dispatch two payloads a step."""
    runner = instrumented.runner(climb())
    assert [hook for hook in runner.hooks if hook.__module__.startswith("flujo_otel")] == []


def test_two_trace_managers_do_not_double(hooked: Traced) -> None:
    second = TraceManager(hooked.provider)
    hooked.run(pipe(adds("one")), hooks=[second.hook])
    assert hooked.tree() == "pipeline_run completed\n  one [0] completed"


def test_as_step_runs_the_inner_runner_s_own_pipeline_once(instrumented: Traced) -> None:
    async def nothing(payload: object) -> None: ...

    inner = instrumented.runner(pipe(adds("i1")))
    runner = instrumented.runner(pipe(inner.as_step(name="sub")), hooks=[nothing])
    instrumented.drive(lambda: last_of(runner.run_async(0)))
    assert [span.name for span in instrumented.spans] == [
        "pipeline_run",
        "sub",
        "pipeline_run",
        "i1",
    ]


def test_instrumenting_twice_is_instrumenting_once(instrumented: Traced) -> None:
    before = patched()
    FlujoInstrumentor().instrument(tracer_provider=TracerProvider())
    assert patched() == before
    instrumented.run(climb())
    assert instrumented.tree() == NESTED


def test_uninstrument_restores_flujo_object_for_object() -> None:
    before = patched()
    instrumentor = FlujoInstrumentor()
    instrumentor.instrument(tracer_provider=TracerProvider())
    during = patched()
    runner = Flujo(climb())
    assert hook_of(runner) is not None
    instrumentor.uninstrument()
    assert all(one is other for one, other in zip(before, patched(), strict=True))
    assert sum(one is not other for one, other in zip(before, during, strict=True)) >= 3
    assert hook_of(runner) is None
    instrumentor.uninstrument()  # once more does no harm
    assert all(one is other for one, other in zip(before, patched(), strict=True))


def test_a_patch_on_top_of_ours_survives_uninstrument(instrumented: Traced) -> None:
    ours: Any = runner_module.Flujo.__init__

    def theirs(self: Any, *args: Any, **kwargs: Any) -> None:
        ours(self, *args, **kwargs)

    runner_module.Flujo.__init__ = theirs
    original = ours.__wrapped__
    try:
        FlujoInstrumentor().uninstrument()
        assert runner_module.Flujo.__init__ is theirs
        instrumented.run(climb())
        assert instrumented.tree() == ""
    finally:
        runner_module.Flujo.__init__ = original


def test_a_run_in_flight_survives_uninstrument(instrumented: Traced) -> None:
    async def main() -> Any:
        started = asyncio.Event()
        go_on = asyncio.Event()

        async def wait(x: int) -> int:
            started.set()
            await go_on.wait()
            return x

        runner = instrumented.runner(step_of(wait, "wait") >> adds("after"))
        task = asyncio.create_task(last_of(runner.run_async(1)))
        await started.wait()
        FlujoInstrumentor().uninstrument()
        go_on.set()
        return await task

    result = instrumented.drive(main)
    assert result.step_history[-1].output == 2


def test_a_failing_tracer_never_breaks_the_run(
    instrumented: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flujo_otel.integrations.flujo import step as step_module

    monkeypatch.delenv("FLUJO_OTEL_RAISE")

    def broken(*_: Any) -> None:
        raise OSError("no room for spans")

    monkeypatch.setattr(step_module.Step, "_first_attributes", broken)
    monkeypatch.setattr(step_module.Step, "finish", broken)
    result = instrumented.run(adds("one") >> adds("two"))
    assert result.step_history[-1].output == 2
    instrumented.forget_faults()


def test_results_are_what_they_are_without_tracing(instrumented: Traced) -> None:
    traced = instrumented.run(climb())
    FlujoInstrumentor().uninstrument()
    plain = instrumented.run(climb())
    assert traced.step_history[0].output == plain.step_history[0].output
    assert traced.step_history[0].attempts == plain.step_history[0].attempts


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_integration_imports_neither_flujo_nor_the_sdk() -> None:
    loaded = python(
        "import sys, flujo_otel.integrations.flujo\n"
        "heavy = ('flujo', 'pydantic', 'opentelemetry.sdk')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert loaded == "[]"


def test_instrument_does_not_import_flujo_and_works_once_the_program_does() -> None:
    said = python(
        "import sys\n"
        "from flujo_otel.integrations.flujo import FlujoInstrumentor\n"
        "FlujoInstrumentor().instrument()\n"
        "print('flujo' in sys.modules)\n"
        "import logging; logging.disable(logging.CRITICAL)\n"
        "from flujo import Flujo\n"
        "print(hasattr(Flujo.__init__, '__wrapped__'))\n"
        "FlujoInstrumentor().uninstrument()\n"
        "print(hasattr(Flujo.__init__, '__wrapped__'))"
    )
    assert said.splitlines() == ["False", "True", "False"]


WITHOUT_FLUJO = (
    "import importlib.util as util\n"
    "find = util.find_spec\n"
    "util.find_spec = lambda name, *rest: None if name == 'flujo' else find(name, *rest)\n"
    "from flujo_otel.errors import MissingExtra\n"
    "from flujo_otel.integrations.flujo import FlujoInstrumentor, TraceManager\n"
    "TraceManager()\n"
)


def test_without_flujo_instrument_says_what_to_install() -> None:
    said = python(
        WITHOUT_FLUJO + "try:\n"
        "    FlujoInstrumentor().instrument()\n"
        "except MissingExtra as error:\n"
        "    print(error)"
    )
    assert said.startswith('flujo is not installed: pip install "flujo-otel[flujo]"')


def test_without_flujo_the_automatic_way_is_silent() -> None:
    code = WITHOUT_FLUJO + "FlujoInstrumentor().instrument(skip_dep_check=True); print('fine')"
    assert python(code) == "fine"


def test_a_failed_step_s_exception_is_recorded_once(instrumented: Traced) -> None:
    instrumented.run(pipe(step_of(sour, "bad", max_retries=1)))
    recorded = [
        (span.name, event.attributes["exception.type"])
        for span in instrumented.spans
        for event in span.events
        if event.name == "exception"
    ]
    assert recorded == [("bad", "ValueError")]
    (event,) = [each for each in instrumented.named("bad").events if each.name == "exception"]
    assert event.attributes["exception.message"] == "sour milk"
    assert 'raise ValueError("sour milk")' in event.attributes["exception.stacktrace"]
