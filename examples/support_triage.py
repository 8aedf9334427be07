"""A small support desk: a pipeline with a loop, a condition, parallel branches, a retry, a failure.

No language model and no keys: each step is a plain function that takes a little while. The two
lines about tracing are the ones that a program of yours needs too. Needs
`pip install "flujo-otel[flujo]"`.

    python examples/support_triage.py
"""

import asyncio
import logging

import flujo_otel

try:
    from flujo import Flujo, Pipeline, Step
except ImportError:
    raise SystemExit('This example needs: pip install "flujo-otel[flujo]"') from None

flujo_otel.configure()

calls_to_the_shop = 0


async def classify(ticket: str) -> str:
    await asyncio.sleep(0.03)
    return f"refund: {ticket}"


async def sharpen(question: str) -> str:
    """Asked again until it says enough."""
    await asyncio.sleep(0.02)
    return question + "?"


async def pay_back(question: str) -> str:
    await asyncio.sleep(0.02)
    return question.upper()


async def explain(question: str) -> str:
    await asyncio.sleep(0.02)
    return question


async def read_orders(question: str) -> str:
    """The shop's first answer is always an error: the step is tried again."""
    global calls_to_the_shop
    calls_to_the_shop += 1
    await asyncio.sleep(0.01)
    if calls_to_the_shop == 1:
        raise ConnectionError("the shop hung up")
    return "2 orders"


async def read_history(question: str) -> str:
    await asyncio.sleep(0.06)
    return "no complaints so far"


async def answer(facts: object) -> str:
    await asyncio.sleep(0.02)
    raise ValueError("sour milk")


def step(function: object, **config: object) -> Pipeline:
    name = getattr(function, "__name__", "step").replace("_", " ")
    return Pipeline.from_step(Step.from_callable(function, name=name, **config))


def build() -> Pipeline:
    refine = Step.loop_until(
        name="refine",
        loop_body_pipeline=step(sharpen),
        exit_condition_callable=lambda question, _: question.endswith("???"),
        max_loops=5,
    )
    route = Step.branch_on(
        name="route",
        condition_callable=lambda question, _: question.partition(":")[0],
        branches={"refund": step(pay_back), "question": step(explain)},
    )
    gather = Step.parallel(
        name="gather",
        branches={"orders": step(read_orders, max_retries=2), "history": step(read_history)},
    )
    return step(classify) >> refine >> route >> gather >> step(answer, max_retries=1)


if __name__ == "__main__":
    from picture import lens

    logging.disable(logging.ERROR)  # flujo reports every step; the trace says it better
    runner = Flujo(build(), pipeline_name="support-triage")
    result = runner.run("the milk was sour")
    last = result.step_history[-1]
    print(f"{len(result.step_history)} steps ran; {last.name!r} said: {last.feedback}")
    lens("trace", "last")
