"""A snapshot is a copy that JSON can say."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from flujo_otel.storage.bound import MOST_NODES
from flujo_otel.storage.snapshot import snapshot, snapshot_object

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcé"), inner),
)


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    secret: str = field(default="s", repr=False)


class Model(BaseModel):
    name: str
    key: SecretStr
    hidden: str = Field(default="h", repr=False)


class Masked(BaseModel):
    card: str = "c"

    def __repr__(self) -> str:
        return "Masked(***)"


class Pair(NamedTuple):
    a: int
    b: str


class Scalar:
    """As numpy's are."""

    shape = ()

    def tolist(self) -> float:
        return 0.5


class Large:
    shape = (1000, 1000)
    dtype = "float64"

    def tolist(self) -> list[Any]:
        raise AssertionError("far too long")


@given(PLAIN)
def test_plain_data_is_copied_as_it_is(value: Any) -> None:
    assert value == snapshot(value)


@given(st.dictionaries(st.text("ab"), st.lists(st.integers())))
def test_what_is_done_to_the_original_does_not_touch_it(value: dict[str, list[int]]) -> None:
    before = json.dumps(value)
    copy = snapshot(value)
    for each in value.values():
        each.append(1)
    value["new"] = []
    assert before == json.dumps(copy)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        ({1: 2, None: 3}, {"1": 2, "None": 3}),
        (Colour.RED, "red"),
        (Point(1), {"x": 1}),
        (Model(name="n", key=SecretStr("k")), {"name": "n", "key": "SecretStr('**********')"}),
        (Masked(), "Masked(***)"),
        (Pair(1, "b"), {"a": 1, "b": "b"}),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.50"), "1.50"),
        (PurePosixPath("/a"), "/a"),
        (timedelta(seconds=90), "0:01:30"),
        (ValueError("sour"), {"type": "ValueError", "message": "sour"}),
        (range(3), [0, 1, 2]),
        (float("inf"), "Infinity"),
        (b"\xff", "/w=="),
        (Scalar(), 0.5),
        (Large(), {"shape": [1000, 1000], "dtype": "float64"}),
        ("\ud800", "\\ud800"),
        (1 << 70, 1 << 70),
        (object(), "<unserializable: object>"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_other_values_become_what_json_can_say(value: Any, expected: Any) -> None:
    assert expected == snapshot(value)
    assert {"a": [expected]} == snapshot({"a": [value]})


def test_lists_that_hold_one_another_end() -> None:
    value: list[Any] = [1]
    for _ in range(40):
        value = [value, value]
    assert "more is cut" in json.dumps(snapshot(value))
    assert MOST_NODES >= 10_000


def test_what_holds_itself_ends() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    assert {"self": "<dict that contains itself>"} == snapshot(value)


def test_what_is_no_object_becomes_one() -> None:
    assert ({"value": 1}, {"a": 1}) == (snapshot_object(1), snapshot_object({"a": 1}))
