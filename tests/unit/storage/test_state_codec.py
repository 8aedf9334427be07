"""A state's values come back, whichever of the ways of writing them was the quickest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.storage import state_codec
from flujo_otel.storage.bound import MOST_NODES
from flujo_otel.storage.state_codec import decode, encode
from flujo_otel.storage.tagged import KIND

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)
)
NAMES = st.one_of(st.sampled_from(["a", KIND, "b"]), st.text(max_size=3))
KEYS = st.one_of(NAMES, st.integers(), st.none(), st.booleans())


def parts(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(LEAVES, max_size=3)
    return st.one_of(LEAVES, lists, st.dictionaries(keys, LEAVES, max_size=3), st.binary())


VALUES = st.dictionaries(
    KEYS, st.one_of(parts(KEYS), st.lists(parts(KEYS), max_size=2)), max_size=4
)


@given(VALUES)
def test_what_is_written_quickly_is_written_as_by_the_walk(value: dict[Any, Any]) -> None:
    assert encode(value) == state_codec._walked(value, MOST_NODES)


@given(st.dictionaries(NAMES, parts(NAMES), max_size=4))
def test_it_comes_back(value: dict[str, Any]) -> None:
    back = decode(encode(value))
    assert back == value
    assert [*map(type, back.values())] == [*map(type, value.values())]


@pytest.mark.parametrize("value", [{"real": 10**400, "imag": 1}, {"real": 0, "imag": "i"}])
def test_what_flujo_06_would_read_as_a_complex_number_and_is_none_comes_back(
    monkeypatch: pytest.MonkeyPatch, value: dict[str, Any]
) -> None:
    monkeypatch.setattr(state_codec, "speaks_06", lambda: True)
    assert decode(encode(value)) == value
