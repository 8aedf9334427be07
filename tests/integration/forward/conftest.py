"""A database, backends, and forwarders that do not wait long between attempts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flujo_otel.forward import backoff, dispatch
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.settings import load
from flujo_otel.spanstore.destinations import Cursor
from flujo_otel.spanstore.factory import open_destinations
from support.backends import GrpcBackend, HttpBackend


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "spans.db"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_SECONDS", 0.05)
    monkeypatch.setattr(dispatch, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 0.01)


@pytest.fixture
def backend() -> Iterator[HttpBackend]:
    made = HttpBackend()
    yield made
    made.close()


@pytest.fixture
def grpc_backend() -> Iterator[GrpcBackend]:
    made = GrpcBackend()
    yield made
    made.close()


@pytest.fixture
def deliver(db: Path) -> Iterator[Callable[[str], Dispatch]]:
    """A dispatch to a URL, whose destination the store knows from now on."""
    made: list[Dispatch] = []

    def make(url: str) -> Dispatch:
        [destination] = destinations([url], load(db=str(db)))
        one = Dispatch(destination, open_destinations(db))
        one.work()
        made.append(one)
        return one

    yield make
    for one in made:
        one.finish()


def cursor(db: Path) -> Cursor:
    """The only one."""
    store = open_destinations(db, read_only=True)
    try:
        [only] = store.cursors()
        return only
    finally:
        store.close()
