"""The thread beside the event loop: nobody waits for it who need not."""

import asyncio
import subprocess
import sys
import time
from threading import Event

import pytest

from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.decoding import DecodingThread

SOON = 60.0


def test_work_is_done_in_order_and_its_errors_are_raised() -> None:
    def fails() -> int:
        raise ValueError("sour milk")

    async def main() -> list[object]:
        decoding = DecodingThread()
        jobs = [decoding.run(work) for work in (lambda: 1, fails, lambda: 2)]
        found: list[object] = [*await asyncio.gather(*jobs, return_exceptions=True)]
        decoding.end()
        return found

    one, error, two = asyncio.run(main())
    assert (1, 2) == (one, two)
    assert "sour milk" == str(error)


def test_at_the_end_nobody_waits_for_what_is_being_done_nor_for_what_comes_later() -> None:
    goes_on = Event()

    async def main() -> None:
        decoding = DecodingThread()
        jobs = [asyncio.ensure_future(decoding.run(lambda: goes_on.wait(SOON))) for _ in range(2)]
        await asyncio.sleep(0)
        decoding.end()
        for job in (*jobs, decoding.run(lambda: True)):
            with pytest.raises(Refusal) as caught:
                await job
            assert 503 == caught.value.http
        goes_on.set()

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < SOON


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    goes_on, begun = Event(), []

    async def main() -> None:
        decoding = DecodingThread()
        first = asyncio.ensure_future(decoding.run(lambda: goes_on.wait(SOON)))
        second = asyncio.ensure_future(decoding.run(lambda: begun.append("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        assert await first
        await decoding.run(lambda: begun.append("third"))
        decoding.end()

    asyncio.run(main())
    assert ["third"] == begun


def test_a_process_ends_amid_the_work() -> None:
    program = """
import asyncio, time
from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.decoding import DecodingThread

async def main():
    decoding = DecodingThread()
    asyncio.get_running_loop().call_later(0.2, decoding.end)
    try:
        await decoding.run(lambda: time.sleep(600))
    except Refusal:
        print("refused")

asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SOON, check=False
    )
    assert (0, "refused\n", "") == (ended.returncode, ended.stdout, ended.stderr)
