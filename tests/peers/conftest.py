"""Real programs, each started when a test asks for it and stopped after it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from . import jaeger, tempo
from .collector import Collector
from .tools import need

Backend = TypeVar("Backend", jaeger.Jaeger, tempo.Tempo)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A `lens serve` that a module's tests share."""
    running = Collector(tmp_path_factory.mktemp("collector"))
    running.process.start()
    yield running
    running.process.stop()


@pytest.fixture
def jaeger_in_memory(tmp_path: Path) -> Iterator[jaeger.Jaeger]:
    """A Jaeger that keeps spans exactly, and until it ends."""
    yield from _running(_jaeger(tmp_path, badger=False))


@pytest.fixture
def jaeger_on_disk(tmp_path: Path) -> Iterator[jaeger.Jaeger]:
    """A Jaeger that has after SIGKILL what it answered for before."""
    yield from _running(_jaeger(tmp_path, badger=True))


@pytest.fixture
def a_tempo(tmp_path: Path) -> Iterator[tempo.Tempo]:
    if tempo.BINARY is None:
        pytest.skip("TEMPO_BIN does not name a Tempo binary (docs/peers.md)")
    yield from _running(tempo.Tempo(tmp_path / "tempo"))


def _jaeger(folder: Path, *, badger: bool) -> jaeger.Jaeger:
    need(["go"], jaeger.BINARY, "Jaeger")
    return jaeger.Jaeger(folder / "jaeger", badger=badger)


def _running(backend: Backend) -> Iterator[Backend]:
    backend.process.start()
    yield backend
    backend.process.kill()
