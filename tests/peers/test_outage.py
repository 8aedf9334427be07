"""A backend or the collector itself is killed in mid-stream: nothing that was answered is lost."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import stream
from .collector import Collector
from .jaeger import Jaeger
from .plain import without_order
from .process import wait_until
from .tempo import Tempo

TRACES = 120
"""Requests of `stream.SPANS` spans; a third before, while and after something is away."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Collector]]:
    """Starts a collector that forwards to a URL."""
    started: list[Collector] = []

    def start(url: str) -> Collector:
        collector = Collector(tmp_path / "collector", forward=[url])
        collector.process.start()
        started.append(collector)
        return collector

    yield start
    for collector in started:
        collector.process.kill()


def send(collector: Collector, count: int) -> list[str]:
    """So many traces; their ids. Every one is answered for."""
    trace_ids = []
    for trace_id, body in itertools.islice(stream.requests(), count):
        stream.send(collector.http, body)
        trace_ids.append(trace_id)
    return trace_ids


def assert_all_there(backend: Jaeger | Tempo, collector: Collector, trace_ids: list[str]) -> None:
    """Every span of every trace, as it is stored, once."""
    for trace_id in trace_ids:
        stored = collector.trace(trace_id)
        assert stream.SPANS == len(stored)
        wait_until(trace_id, lambda t=trace_id: len(backend.trace(t)) >= stream.SPANS)  # type: ignore[misc]
        assert without_order(stored) == without_order(backend.trace(trace_id))


def test_a_jaeger_killed_in_mid_stream_has_everything_once_it_is_back(
    jaeger_on_disk: Jaeger, serve: Callable[[str], Collector]
) -> None:
    collector = serve(jaeger_on_disk.http)
    before = send(collector, TRACES // 3)
    wait_until("the stream to have begun", lambda: bool(jaeger_on_disk.trace(before[0])))
    jaeger_on_disk.process.kill()
    while_away = send(collector, TRACES // 3)
    jaeger_on_disk.process.start()
    after = send(collector, TRACES // 3)
    assert_all_there(jaeger_on_disk, collector, before + while_away + after)


def test_a_collector_killed_in_mid_stream_goes_on_where_it_stopped(
    jaeger_in_memory: Jaeger, serve: Callable[[str], Collector]
) -> None:
    """What it answered for is in its database, and what of that was not yet sent is sent."""
    collector = serve(jaeger_in_memory.http)
    answered = send(collector, TRACES // 2)
    collector.process.kill()
    collector.process.start()
    answered += send(collector, TRACES // 2)
    assert_all_there(jaeger_in_memory, collector, answered)


def test_a_tempo_that_was_away_gets_what_came_meanwhile(
    a_tempo: Tempo, serve: Callable[[str], Collector]
) -> None:
    """What Tempo answered for and then lost by SIGKILL is its own loss, so nothing is sent to it
    before: only what it never answered for is asked of us."""
    collector = serve(a_tempo.http)
    a_tempo.process.kill()
    while_away = send(collector, TRACES // 2)
    a_tempo.process.start()
    after = send(collector, TRACES // 2)
    assert_all_there(a_tempo, collector, while_away + after)
