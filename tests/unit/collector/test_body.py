"""A body is put together within its bounds."""

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.body import Body, BodyBudget, Gunzip
from flujo_otel.errors import MalformedRequest, Overloaded


@given(
    members=st.lists(st.binary(max_size=5000), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 50), max_size=50),
)
def test_gzip_is_unpacked_however_it_is_cut(members: list[bytes], cuts: list[int]) -> None:
    zipped = b"".join(map(gzip.compress, members))
    gunzip, found = Gunzip(), b""
    for cut in [*cuts, len(zipped)]:
        piece, zipped = zipped[:cut], zipped[cut:]
        found += b"".join(gunzip.feed(piece))
    gunzip.end()
    assert b"".join(members) == found


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_pieces_are_bounded_and_complete(size: int) -> None:
    gunzip = Gunzip()
    sizes = [len(piece) for piece in gunzip.feed(gzip.compress(bytes(size)))]
    gunzip.end()
    assert size == sum(sizes)
    assert all(size <= 1 << 20 for size in sizes)


@given(zipped=st.binary(max_size=100).map(lambda noise: gzip.compress(b"x" * 99) + noise))
def test_noise_is_unpacked_or_malformed(zipped: bytes) -> None:
    gunzip = Gunzip()
    try:
        assert b"x" * 99 == b"".join(gunzip.feed(zipped))[:99]
        gunzip.end()
    except MalformedRequest:
        pass


async def test_the_limit_is_of_what_is_unpacked() -> None:
    body = Body(1000, BodyBudget(10_000), gzipped=True)
    with pytest.raises(Refusal) as caught:
        await body.add(gzip.compress(bytes(1001)))
    assert 413 == caught.value.http


async def test_all_bodies_share_a_budget_and_give_it_back() -> None:
    budget = BodyBudget(1500)
    first, second = (Body(1000, budget, gzipped=False) for _ in range(2))
    await first.add(bytes(1000))
    with pytest.raises(Overloaded):
        await second.add(bytes(1000))
    first.release()
    await second.add(bytes(1000))
    assert bytes(1000) == second.complete()


async def test_others_have_their_turn_while_what_comes_unpacks_to_nothing() -> None:
    body = Body(1000, BodyBudget(10_000), gzipped=True)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await body.add(gzip.compress(b"") * 50_000)
    task.cancel()
    assert turns > 10
