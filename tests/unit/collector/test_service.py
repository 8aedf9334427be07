"""The receiving thread: however it fares, whoever starts and ends it is not left waiting."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from flujo_otel import guard
from flujo_otel.collector import service
from flujo_otel.collector.access import Access
from flujo_otel.collector.ports import listen
from flujo_otel.collector.reception import Reception
from flujo_otel.collector.service import PortInUse, Service
from flujo_otel.collector.unstored import Unstored

SOON = 20.0
HOST = "127.0.0.1"


class NothingCommits:
    """A `Commit` that is never asked."""

    def submit(self, decoded: Any, size_bytes: int, received: Any) -> Any:
        raise NotImplementedError

    def count_losses(self, losses: Any) -> None:
        raise NotImplementedError


class Fault(Exception):
    """What goes wrong."""


@pytest.fixture
def ended() -> threading.Event:
    """Set when it serves no more."""
    return threading.Event()


@pytest.fixture
def receiving(ended: threading.Event) -> Iterator[Service]:
    commit = NothingCommits()
    reception = Reception(commit, Unstored(commit.count_losses), 1 << 20)
    receiving = Service(reception, Access(HOST), lambda _: {}, on_end=ended.set)
    yield receiving
    receiving.end(0.1)
    assert receiving.wait(SOON)
    reception.close()


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    sockets = listen(HOST, 0)
    yield sockets
    for listening in sockets:
        listening.close()


def fails(*_: object, **__: object) -> Any:
    raise Fault


def started(receiving: Service, sockets: list[socket.socket]) -> BaseException | int:
    """What `start` comes to, which it must in time."""
    found: list[BaseException | int] = []

    def start() -> None:
        try:
            found.append(receiving.start(sockets, [HOST], 0))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    thread.join(SOON)
    assert found, "start waits for ever"
    return found[0]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (asyncio, "new_event_loop"),
        (service, "GrpcReceiver"),
        (Service, "_config"),
        (service, "_bind"),
        (uvicorn.Server, "serve"),
    ],
    ids=["the loop", "gRPC", "HTTP's configuration", "gRPC's port", "HTTP"],
)
def test_a_start_that_fails_says_so_and_leaves_nothing_to_end(
    receiving: Service,
    sockets: list[socket.socket],
    ended: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    *,
    owner: Any,
    name: str,
) -> None:
    monkeypatch.setattr(owner, name, fails)
    if name == "new_event_loop":
        monkeypatch.setattr(asyncio.events, name, fails)
    assert isinstance(started(receiving, sockets), Fault)
    assert ended.wait(SOON)
    assert [-1] == [listening.fileno() for listening in sockets]


def test_a_port_that_is_taken_is_said(receiving: Service, sockets: list[socket.socket]) -> None:
    with socket.create_server((HOST, 0)) as stranger, pytest.raises(PortInUse):
        receiving.start(sockets, [HOST], stranger.getsockname()[1])


def test_it_may_be_ended_twice_and_after_its_end(
    receiving: Service, sockets: list[socket.socket], ended: threading.Event
) -> None:
    assert isinstance(started(receiving, sockets), int)
    for _ in range(3):
        receiving.end(0.1)
    assert receiving.wait(SOON)
    assert ended.is_set()
    receiving.end(0.1)


def test_it_may_be_ended_before_its_start(receiving: Service) -> None:
    receiving.end(0.1)
    assert receiving.wait(0.1)


def test_where_http_dies_it_ends_counts_the_fault_and_may_be_ended(
    receiving: Service,
    sockets: list[socket.socket],
    ended: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "_counts", {})
    monkeypatch.delenv(guard.RAISE_VARIABLE, raising=False)
    dies: list[Callable[[], None]] = []

    async def main_loop(http: uvicorn.Server) -> None:
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        dies.append(lambda: loop.call_soon_threadsafe(event.set) and None)
        await event.wait()
        raise Fault

    monkeypatch.setattr(uvicorn.Server, "main_loop", main_loop)
    assert isinstance(started(receiving, sockets), int)
    dies[0]()
    assert ended.wait(SOON)
    assert receiving.wait(SOON)
    assert {"receiving": 1} == guard.faults()
    receiving.end(0.1)
