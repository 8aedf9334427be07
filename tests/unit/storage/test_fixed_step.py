"""A record that is made later is the record that would have been made at once."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.errors import MalformedTrace
from flujo_otel.storage import rows
from flujo_otel.storage.fixed_step import fixed_step

MOMENT = datetime(2026, 11, 22, 12, 30)
STEP: dict[str, Any] = {
    "step_run_id": "r:0",
    "run_id": "r",
    "step_name": "first",
    "step_index": 0,
    "status": "completed",
    "start_time": MOMENT,
    "end_time": MOMENT.replace(tzinfo=UTC),
    "duration_ms": 5,
    "cost": 0.25,
    "tokens": 7,
    "input": None,
    "output": "said",
    "error": None,
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.none()),
)


@given(st.dictionaries(st.sampled_from([*STEP, "raw_response", "created_at"]), ODD, max_size=3))
def test_none_that_is_kept_for_later_is_refused_then(odd: dict[str, Any]) -> None:
    kept = fixed_step(STEP | odd)
    if kept is not None:
        assert rows.step_result(kept) == rows.step_result(STEP | odd)


def test_as_flujo_hands_it_in_it_is_kept_as_it_was() -> None:
    given_step = dict(STEP)
    kept = fixed_step(given_step)
    given_step["output"] = "another"
    assert kept == STEP


@pytest.mark.parametrize(
    "change",
    [
        {"output": ["may", "change"]},
        {"output": {"may": "change"}},
        {"output": math.nan},
        {"cost": math.inf},
        {"tokens": 1 << 63},
        {"step_name": ""},
        {"step_index": True},
        {"start_time": "2026-11-22T12:30:00"},
        {"end_time": datetime(2026, 11, 22, tzinfo=timezone(timedelta(hours=1)))},
        {"end_time": datetime(2262, 4, 12)},
        {"start_time": datetime(1, 1, 1)},
        {"more": "than flujo gives"},
    ],
    ids=str,
)
def test_what_may_change_or_be_refused_is_not_kept(change: dict[str, Any]) -> None:
    assert fixed_step(STEP | change) is None


@pytest.mark.parametrize("key", ["step_run_id", "run_id", "step_name", "step_index", "start_time"])
def test_without_what_it_needs_it_is_refused_at_once(key: str) -> None:
    lacking = {name: value for name, value in STEP.items() if name != key}
    assert fixed_step(lacking) is None
    with pytest.raises(MalformedTrace):
        rows.step_result(lacking)
