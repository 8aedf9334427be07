"""A program with a real flujo pipeline and a state backend: `python -m support.stateful_flujo`.

It prints what its steps did, one line each, so that two processes can be added up.
"""

import argparse
import asyncio
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

from flujo import Flujo, Pipeline, Step  # noqa: E402
from flujo.domain.models import PipelineContext, PipelineResult, StepResult  # noqa: E402


class Context(PipelineContext):
    total: int = 0
    secret: str = "api_key=sk-live-aaaaaaaaaaaaaaaaaaaaaaaa"


def steps(kill_in: int | None, pause: bool) -> list[Any]:
    async def work(number: int, value: Any, context: Context) -> Any:
        print(f"step {number} got {value!r} total {context.total}", flush=True)
        if number == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)
        context.total += number
        return f"out-{number}"

    def step(number: int) -> Any:
        async def body(value: Any, *, context: Context) -> Any:
            return await work(number, value, context)

        return Step.from_callable(body, name=f"s{number}")

    made = [step(number) for number in range(5)]
    return (
        [*made[:2], Step.human_in_the_loop("ask", message_for_user="Well?"), *made[2:]]
        if (pause)
        else made
    )


def backend_of(name: str) -> Any:
    if name == "ours":
        from flujo_otel import SQLiteBackend

        return SQLiteBackend(Path("ours.db"))
    from flujo.state.backends.sqlite import SQLiteBackend as FlujosBackend

    return FlujosBackend(Path("flujo_ops.db"))


async def main(given: argparse.Namespace) -> None:
    if given.trace:
        import flujo_otel

        flujo_otel.configure(Path("ours.db"))
    backend = backend_of(given.backend)
    pipeline = Pipeline(steps=steps(given.kill_in, given.pause))
    runner = Flujo(pipeline, context_model=Context, state_backend=backend, pipeline_name="demo")
    if given.answer is None:
        result: Any = None
        async for item in runner.run_async(
            "go", run_id=given.run_id, initial_context_data={"initial_prompt": "go"}
        ):
            result = item
    else:
        state = await backend.load_state(given.run_id)
        result = PipelineResult(
            step_history=[StepResult.model_validate(each) for each in state["step_history"]],
            final_pipeline_context=Context.model_validate(state["pipeline_context"]),
        )
        result = await runner.resume_async(result, given.answer)
    context = result.final_pipeline_context
    print(f"done {len(result.step_history)} steps total {context.total} secret {context.secret}")
    if hasattr(backend, "shutdown"):
        await backend.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("backend", choices=["ours", "flujos"])
    parser.add_argument("--run-id", default="run-1")
    parser.add_argument("--kill-in", type=int)
    parser.add_argument("--pause", action="store_true")
    parser.add_argument("--answer")
    parser.add_argument("--trace", action="store_true")
    asyncio.run(main(parser.parse_args(sys.argv[1:])))
