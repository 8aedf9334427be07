"""What of a state that is mostly as it was is recorded again."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel, Field

from flujo_otel.recording.choice import Recording
from flujo_otel.recording.content import Content
from flujo_otel.recording.known_state import KnownState

LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from([0.0, -0.0, 1.0, "", "a"])
DATA = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
        ),
        max_leaves=4,
    ),
    max_size=3,
)


class State(BaseModel):
    values: dict[str, Any] = Field(default_factory=dict)
    hidden: str = Field(default="", repr=False)


def content(recording: Recording | None = None) -> Content:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("span")
    return Content(span, recording or Recording())


def told(known: KnownState, value: object, into: Content | None = None) -> bool:
    return bool(known.news(value, "state", into or content()))


def settled(value: object) -> KnownState:
    """One that compares data by now."""
    known = KnownState()
    assert [told(known, value) for _ in range(4)] == [True, False, False, False]
    assert known._data is not None
    return known


@given(st.lists(st.tuples(DATA, st.integers(1, 4)), min_size=1, max_size=4))
def test_it_is_news_where_its_text_is_another(stays: list[tuple[dict[str, Any], int]]) -> None:
    known, state, into = KnownState(), State(), content()
    before: object = {}
    for values, times in stays:
        for _ in range(times):
            state.values = copy.deepcopy(values)
            text = into.state(state, "state")
            assert known.news(state, "state", into) == ({} if text == before else text)
            before = text


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(flag=1),
        lambda values: values.update(number=1.0),
        lambda values: values["deep"]["list"].append(3),
        lambda values: values["deep"]["list"].pop(),
        lambda values: values.update(more=object()),
        lambda values: values.clear(),
    ],
    ids=["True to 1", "1 to 1.0", "longer", "shorter", "no plain data", "empty"],
)
def test_a_change_is_news_however_small(change: Callable[[dict[str, Any]], None]) -> None:
    values: dict[str, Any] = {"flag": True, "number": 1, "deep": {"list": [1, 2]}}
    state = State(values=values)
    known = settled(state)
    change(state.values)
    assert told(known, state)
    assert not told(known, state)


def test_what_the_state_hides_is_no_news() -> None:
    state = State(values={"a": 1})
    known = settled(state)
    state.hidden = "other"
    assert not told(known, state)


def test_what_fails_when_it_is_compared_is_news() -> None:
    class Bomb:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("never mind")

        __hash__ = object.__hash__

    state = State(values={"a": 1})
    known = settled(state)
    state.values["a"] = Bomb()
    assert told(known, state)


def test_what_was_cut_is_news_each_time() -> None:
    small = content(Recording(value_limit_bytes=1024))
    known, state = KnownState(), State(values={"a": "x" * 5000})
    assert all(told(known, state, small) for _ in range(4))
    assert small.cuts == 4


def test_nothing_is_news_where_no_content_is_recorded() -> None:
    none = content(Recording(content=False))
    known = KnownState()
    assert not any(told(known, State(values={"a": 1}), none) for _ in range(4))


def test_another_states_data_that_contain_themselves_are_news() -> None:
    state = State(values={"a": []})
    known = settled(state)
    state.values["a"].append(state.values)
    assert told(known, state)
