"""Ids that sort by time, with enough randomness, from a generator of their own."""

import random

import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from flujo_otel_exporter import ids
from flujo_otel_exporter.ids import TimeOrderedIdGenerator

TICK_NS = 1 << 27


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def set_time(time_ns: int) -> None:
        monkeypatch.setattr(ids, "time_ns", lambda: time_ns)

    return set_time


def test_a_later_trace_id_is_greater(at) -> None:  # type: ignore[no-untyped-def]
    generator = TimeOrderedIdGenerator()
    at(10**18)
    earlier = generator.generate_trace_id()
    at(10**18 + 1)
    assert earlier < generator.generate_trace_id()


def test_a_trace_ids_high_half_is_the_time_in_nanoseconds(at) -> None:  # type: ignore[no-untyped-def]
    at(1_763_000_000_123_456_789)
    assert TimeOrderedIdGenerator().generate_trace_id() >> 64 == 1_763_000_000_123_456_789


def test_a_span_id_of_a_later_tick_is_greater(at) -> None:  # type: ignore[no-untyped-def]
    generator = TimeOrderedIdGenerator()
    at(TICK_NS * 100)
    earlier = generator.generate_span_id()
    at(TICK_NS * 101)
    assert earlier < generator.generate_span_id()


def test_ids_fit_and_are_never_zero(at) -> None:  # type: ignore[no-untyped-def]
    generator = TimeOrderedIdGenerator()
    at(0)
    assert all(0 < generator.generate_span_id() < 1 << 64 for _ in range(1000))
    at((1 << 63) - 1)
    assert all(0 < generator.generate_trace_id() < 1 << 128 for _ in range(1000))
    assert all(0 < generator.generate_span_id() < 1 << 64 for _ in range(1000))


def test_ids_of_one_tick_differ(at) -> None:  # type: ignore[no-untyped-def]
    generator = TimeOrderedIdGenerator()
    at(10**18)
    assert len({generator.generate_span_id() for _ in range(10_000)}) == 10_000
    assert len({generator.generate_trace_id() for _ in range(10_000)}) == 10_000


def test_a_programs_seed_does_not_repeat_them() -> None:
    random.seed(42)
    first = TimeOrderedIdGenerator().generate_trace_id() & (1 << 64) - 1
    random.seed(42)
    assert first != TimeOrderedIdGenerator().generate_trace_id() & (1 << 64) - 1


def test_they_count_as_random_and_ratio_sampling_works_on_them() -> None:
    generator = TimeOrderedIdGenerator()
    assert generator.is_trace_id_random()
    sampler = TraceIdRatioBased(0.5)
    sampled = sum(
        sampler.should_sample(None, generator.generate_trace_id(), "name").decision.is_sampled()
        for _ in range(4000)
    )
    assert 1700 < sampled < 2300  # 9 standard deviations
