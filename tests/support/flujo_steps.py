"""Small real flujo steps to build pipelines of."""

import asyncio
from typing import Any

from flujo import Pipeline, Step


async def add(x: int) -> int:
    return x + 1


async def sour(x: int) -> int:
    raise ValueError("sour milk")


async def late(x: int) -> int:
    await asyncio.wait_for(asyncio.sleep(30), 0.01)
    return x


async def hang(x: int) -> int:
    await asyncio.sleep(30)
    return x


def call(function: Any, name: str, **options: Any) -> Any:
    return Step.from_callable(function, name=name, **options)


def adds(name: str) -> Any:
    return call(add, name)


def pipe(*steps: Any) -> Any:
    """A pipeline of the steps, of one step too."""
    pipeline: Any = Pipeline.from_step(steps[0])
    for step in steps[1:]:
        pipeline = pipeline >> step
    return pipeline


def failing_once(name: str, max_retries: int) -> Any:
    """A step that fails at its first attempt."""
    calls = []

    async def flaky(x: int) -> int:
        calls.append(x)
        if len(calls) == 1:
            raise ValueError("not yet")
        return x

    return call(flaky, name, max_retries=max_retries)


def loop(name: str, *body: Any, until: Any, max_loops: int = 9) -> Any:
    return Step.loop_until(
        name=name,
        loop_body_pipeline=pipe(*body),
        exit_condition_callable=until,
        max_loops=max_loops,
    )


class Breaks:
    """An agent that raises."""

    async def run(self, data: Any, **_: Any) -> Any:
        raise RuntimeError("agent broke")


class Streams:
    """An agent that streams three chunks, and then hangs if it is told to."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    async def stream(self, data: Any, **_: Any) -> Any:
        for chunk in "abc":
            await asyncio.sleep(0)
            yield chunk
        if self.hangs:
            await asyncio.sleep(30)

    async def run(self, data: Any, **_: Any) -> str:
        return "abc"


class Answer:
    """What an agent with usage gives back."""

    def __init__(self) -> None:
        self.output = 1
        self.cost_usd = 5.0
        self.token_counts = 100


class Costs:
    """An agent that costs 5 USD and 100 tokens a call."""

    async def run(self, data: Any, **_: Any) -> Answer:
        await asyncio.sleep(0.05)
        return Answer()


class Picks:
    """A router that picks branches a and b."""

    async def run(self, data: Any, **_: Any) -> list[str]:
        return ["a", "b"]
