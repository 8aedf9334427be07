"""flujo's times in nanoseconds of Unix time."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.spanstore.flujo import times

MOMENTS = st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2200, 1, 1))


@given(MOMENTS)
def test_a_naive_iso_time_is_utc_to_the_microsecond(moment: datetime) -> None:
    exact = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    assert times.of_iso(moment.isoformat()) == exact * 1000


@given(MOMENTS)
def test_to_iso_words_a_time_as_flujo_does(moment: datetime) -> None:
    assert times.to_iso(times.of_iso(moment.isoformat()) or 0) == moment.isoformat()


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2106, 1, 1)))
def test_a_states_time_is_exact_to_the_microsecond(moment: datetime) -> None:
    assert times.of_local(moment.replace(tzinfo=UTC)) == times.of_datetime(moment)


def test_a_states_naive_time_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        found = times.of_local(datetime(1970, 1, 1, 5, 30, 0, 1))
    time.tzset()
    assert found == 1000


def test_an_offset_is_heeded() -> None:
    assert times.of_iso("1970-01-01T01:00:00.000001+01:00") == 1000


def test_what_is_no_time_is_none() -> None:
    assert [times.of_iso(x) for x in (None, "", "soon", 3)] == [None] * 4
    assert [times.of_seconds(x) for x in (None, "1", float("inf"), float("nan"))] == [None] * 4


def test_unix_seconds_are_taken_as_they_are() -> None:
    assert times.anchor_ns(1_795_231_490.5, 77) == 0


def test_a_monotonic_clocks_first_time_is_put_at_its_runs_start() -> None:
    start_ns = 1_795_231_490 * 10**9
    assert times.anchor_ns(1404.5, start_ns) + 1_404_500_000_000 == start_ns
