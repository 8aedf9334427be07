"""Tokens and cost of pydantic-ai's agents in flujo's steps.

pydantic-ai 1 repeats on an agent's span what its model calls used, 2 says it under other names;
flujo 0.4 says 0 of an agent's cost and tokens, 0.6 counts its text.
"""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, logging, warnings
warnings.simplefilter("ignore")
import flujo_otel
flujo_otel.configure()
from flujo import Flujo, Step
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

def reply(messages, info):
    used = RequestUsage(input_tokens=910, output_tokens=120, cache_read_tokens=800)
    return ModelResponse(parts=[TextPart("hello")], model_name="MODEL", usage=used)

Agent.instrument_all()
agent = Agent(FunctionModel(reply, model_name="MODEL"))
outer = Agent(TestModel())

@outer.tool_plain
async def inner() -> str:
    return (await agent.run("again")).output

async def ask(text: str) -> str:
    await agent.run(text)
    return (await outer.run(text)).output

async def main():
    async for _ in Flujo(Step.from_callable(ask, name="ask")).run_async("hi"):
        pass

asyncio.run(main())
"""
CALL = 1030
"""Tokens of a call of the inner agent, in the run twice."""
COST = (110 + 800 / 2) * 0.15e-6 + 120 * 0.6e-6


def run(
    here: Path, model: str, program: str = PROGRAM
) -> tuple[tuple[float | None, int, int], tuple[float | None, int]]:
    """The run's cost, tokens and calls without a price; its step's cost and tokens."""
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program).replace("MODEL", model)],
        cwd=here,
        check=True,
        capture_output=True,
        timeout=120,
    )
    with sqlite3.connect(here / "flujo_otel.db") as connection:
        [of_run] = connection.execute("SELECT total_cost, total_tokens, unpriced_count FROM runs")
        [of_step] = connection.execute("SELECT cost, tokens FROM steps")
        [own] = connection.execute(
            "SELECT SUM(tokens) FROM spans WHERE name = 'chat test' AND tokens > 0"
        )
    connection.close()
    return (of_run[0], of_run[1] - own[0], of_run[2]), (of_step[0], of_step[1] - own[0])


def test_each_call_counts_once_at_its_price(tmp_path: Path) -> None:
    of_run, of_step = run(tmp_path, "gpt-4o-mini")
    # The test model is called twice, and nobody knows its price.
    assert (pytest.approx(2 * COST), 2 * CALL, 2) == of_run
    assert (pytest.approx(2 * COST), 2 * CALL) == of_step


def test_it_is_the_same_where_the_program_instruments_no_agent_itself(tmp_path: Path) -> None:
    program = PROGRAM.replace("Agent.instrument_all()", "")
    of_run, of_step = run(tmp_path, "gpt-4o-mini", program)
    assert (pytest.approx(2 * COST), 2 * CALL, 2) == of_run
    assert (pytest.approx(2 * COST), 2 * CALL) == of_step
    with sqlite3.connect(tmp_path / "flujo_otel.db") as connection:
        found = connection.execute("SELECT pipeline_name FROM runs").fetchall()
        steps = connection.execute("SELECT step_name FROM steps").fetchall()
    connection.close()
    assert (1, [("ask",)]) == (len(found), steps)


def test_what_an_unknown_model_cost_is_unknown(tmp_path: Path) -> None:
    of_run, of_step = run(tmp_path, "my-own")
    assert (None, 2 * CALL, 4) == of_run
    assert (None, 2 * CALL) == of_step


def test_a_price_of_ones_own_makes_it_known(tmp_path: Path) -> None:
    (tmp_path / "flujo.toml").write_text(
        '[prices."my-own"]\ninput = 1\noutput = 2\ncache_read = 0\n'
        '[prices."test"]\ninput = 0\noutput = 0\n'
    )
    of_run, of_step = run(tmp_path, "my-own")
    assert (pytest.approx(2 * (110 + 240) * 1e-6), 2 * CALL, 0) == of_run
    assert (pytest.approx(2 * (110 + 240) * 1e-6), 2 * CALL) == of_step
