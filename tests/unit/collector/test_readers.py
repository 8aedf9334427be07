"""Whoever reads for long makes room where others wait."""

import asyncio

import pytest

from flujo_otel.collector import readers
from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.readers import Readers

SOON = 20.0


@pytest.fixture(autouse=True)
def few_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "READERS", 2)
    monkeypatch.setattr(readers, "HURRIED_SECONDS", 0.01)


async def reading(places: Readers, deadlines: Deadlines, until: asyncio.Event) -> str:
    try:
        async with deadlines.reading() as timeout, places.place(timeout):
            await until.wait()
    except Refusal:
        return "refused"
    return "read"


async def test_silent_calls_keep_nobody_out() -> None:
    places, deadlines = Readers(), Deadlines(SOON)
    never, at_once = asyncio.Event(), asyncio.Event()
    at_once.set()
    silent = [asyncio.create_task(reading(places, deadlines, never)) for _ in range(6)]
    await asyncio.sleep(0)
    assert "read" == await asyncio.wait_for(reading(places, deadlines, at_once), SOON / 2)
    never.set()
    assert ["refused"] * 4 == [await each for each in silent[:4]]


async def test_where_nobody_waits_there_is_all_the_time() -> None:
    places, deadlines = Readers(), Deadlines(SOON)
    until = asyncio.Event()
    slow = [asyncio.create_task(reading(places, deadlines, until)) for _ in range(2)]
    await asyncio.sleep(0.05)
    until.set()
    assert ["read"] * 2 == [await each for each in slow]


async def test_a_deadline_that_is_just_over_disturbs_no_end_of_all() -> None:
    deadlines = Deadlines(SOON)
    late = asyncio.create_task(reading(Readers(), deadlines, asyncio.Event()))
    for _ in range(3):
        await asyncio.sleep(0)
        deadlines.end_all()
    assert "refused" == await late
