"""Recorded content is valid JSON of bounded size and cost, whatever the value is."""

import json
import math
import tracemalloc
from array import array
from collections import UserString, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from unittest.mock import Mock
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.recording.json_text import as_json

LIMIT = 64 * 1024

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=40,
)


def read(value: object, limit: int = LIMIT) -> Any:
    return json.loads(as_json(value, limit)[0])


class Credentials(dict[str, str]):
    def __repr__(self) -> str:
        return f"Credentials(user={self['user']!r})"


class Named(dict[str, str]):
    def __repr__(self) -> str:
        return f"Named({dict(self)})"


class Sealed(str):
    def __repr__(self) -> str:
        return "Sealed()"


class Brief(list[str]):
    def __repr__(self) -> str:
        return f"<Batch of {len(self)}>"


class Document(str):
    def __repr__(self) -> str:
        return f"Document({self[:6]}…)"


class Starred(UserString):
    def __repr__(self) -> str:
        return "Starred('***')"


class Scalar:
    """As numpy's array of no dimension, whose class has a length all the same."""

    shape = ()

    def __len__(self) -> int:
        raise TypeError("len() of unsized object")

    def tolist(self) -> float:
        return 0.5


class Login(NamedTuple):
    user: str
    seal: str

    def __repr__(self) -> str:
        return f"Login({self.user})"


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    number: int
    lines: list[str]
    secret: str = field(default="hush", repr=False)


class Plain:
    def __init__(self) -> None:
        self.name = "plain"


class Hostile:
    def __repr__(self) -> str:
        raise OSError("no")


class Array:
    """Looks like numpy's to a reader that knows none of it."""

    shape: tuple[int, ...] = ()

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.dtype = "float64"

    def tolist(self) -> list[float]:
        if math.prod(self.shape) > 10_000:
            raise MemoryError("the whole of it was asked for")
        return [1.5] * self.shape[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2.5, 2.5),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        ("grüezi\n\x00", "grüezi\n\x00"),
        (b"text", "text"),
        (b"\xff\x00", "base64:/wA="),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (deque([1]), [1]),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Colour.RED, "red"),
        (Order(1, ["milk"]), {"number": 1, "lines": ["milk"]}),
        (datetime(2025, 1, 2, tzinfo=UTC), "2025-01-02T00:00:00+00:00"),
        (PurePosixPath("/a"), "/a"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.50"), "1.50"),
        (timedelta(seconds=90), "0:01:30"),
        (range(3), [0, 1, 2]),
        (Credentials(user="ann", seal="zzz"), "Credentials(user='ann')"),
        (Sealed("zzz"), "Sealed()"),
        (Login("ann", "zzz"), "Login(ann)"),
        (Named(user="ann"), {"user": "ann"}),
        (Brief(["a", "hello"]), "<Batch of 2>"),
        (Document("a long document"), "Document(a long…)"),
        (Document("short"), "short"),
        (Starred("correct-horse"), "Starred('***')"),
        (array("i", [1, 2]), [1, 2]),
        (Scalar(), 0.5),
        (UserString("hi"), "hi"),
        (ValueError("sour"), {"type": "ValueError", "message": "sour"}),
        (Plain(), {"name": "plain"}),
        (Order, "Order"),
        (read, "read"),
        (Hostile(), "<Hostile cannot be shown: OSError>"),
        (Array(2), [1.5, 1.5]),
        (Array(1000, 1000), {"shape": [1000, 1000], "dtype": "float64"}),
    ],
)
def test_values_come_out_readable(value: object, expected: object) -> None:
    assert read(value) == expected


def test_a_pydantic_model_shows_its_fields_but_not_its_secrets() -> None:
    pydantic: Any = pytest.importorskip("pydantic", reason="pydantic comes with flujo")

    class User(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        name: str
        seal: pydantic.SecretStr
        token: str = pydantic.Field(default="t", exclude=True)
        key: str = pydantic.Field(default="k", repr=False)

    assert read(User(name="ann", seal="p", more=1)) == {
        "name": "ann",
        "seal": "SecretStr('**********')",
        "more": 1,
    }


@given(VALUES)
def test_any_value_gives_strict_json(value: object) -> None:
    text, was_cut = as_json(value, LIMIT)
    text.encode()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert not was_cut


@given(VALUES, st.integers(256, 2048))
def test_the_limit_holds_and_a_cut_is_told(value: object, limit: int) -> None:
    text, was_cut = as_json(value, limit)
    assert len(text.encode()) <= limit
    json.loads(text)
    if was_cut:
        assert "cut" in text
    else:
        assert text == as_json(value, LIMIT)[0]


@given(VALUES)
def test_plain_data_reads_as_it_does_among_what_is_not_plain(value: object) -> None:
    """A list is written by the C encoder where it can be, a tuple is always walked."""
    assert as_json((value,), LIMIT) == as_json([value], LIMIT)


def test_plain_data_of_any_size_is_never_copied_as_a_whole() -> None:
    values: list[Any] = [["x" * 1000] * 1_000_000, {"text": "ü" * 10_000_000}, "x" * 10_000_000]
    tracemalloc.start()
    try:
        for value in values:
            as_json(value, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_long_text_says_how_much_was_cut() -> None:
    text, was_cut = as_json("x" * 100_000, 4096)
    kept = text.count("x")
    assert (was_cut, text[-(len(text) - kept - 1) :]) == (
        True,
        f'… {100_000 - kept} characters cut"',
    )


def test_a_long_list_says_how_many_items_were_cut() -> None:
    *kept, mark = read(list(range(100_000)), 4096)
    assert kept == list(range(len(kept)))
    assert mark == f"… {100_000 - len(kept)} more items cut"


def test_a_large_mapping_says_how_many_keys_were_cut() -> None:
    found = read({str(number): number for number in range(100_000)}, 4096)
    assert found["…"] == f"{100_000 - len(found) + 1} more keys cut"


def test_what_lies_beyond_the_limit_is_never_looked_at() -> None:
    looked_at = []

    class Endless(dict[str, int]):
        def items(self) -> Iterator[tuple[str, int]]:  # type: ignore[override]
            number = 0
            while True:
                looked_at.append(number)
                yield str(number), number
                number += 1

    as_json(Endless(a=1), 4096)
    assert 100 < len(looked_at) < 1000


def test_a_value_that_contains_itself() -> None:
    loop: dict[str, Any] = {"name": "loop"}
    loop["again"] = [loop]
    assert read(loop) == {"name": "loop", "again": ["<dict that contains itself>"]}


def test_one_value_in_two_places_is_no_cycle() -> None:
    shared = [1]
    assert read([shared, shared]) == [[1], [1]]


def test_values_that_double_with_each_level_stay_within_the_limit() -> None:
    value: Any = "leaf"
    for _ in range(60):
        value = [value, value]
    text, was_cut = as_json(value, 4096)
    assert (len(text.encode()) <= 4096, was_cut) == (True, True)


def test_depth_is_cut_where_a_reader_s_json_would_break() -> None:
    value: Any = "core"
    for _ in range(100_000):
        value = [value]
    text, was_cut = as_json(value, LIMIT)
    assert was_cut
    assert "… list cut: 20 levels deep" in text


def test_a_lone_surrogate_is_spelt_out() -> None:
    assert read("a\ud800b") == "a\\ud800b"


def test_an_integer_too_long_to_print() -> None:
    assert read(1 << 100_000) == "<int of 100001 bits>"


def test_a_mock_is_not_taken_for_an_array() -> None:
    assert read(Mock(name="m")).startswith("<Mock name='m'")


def test_a_dict_that_changes_under_the_reader_ends_early() -> None:
    class Changing(dict[str, int]):
        def items(self) -> Iterator[tuple[str, int]]:  # type: ignore[override]
            yield "a", 1
            raise RuntimeError("dictionary changed size during iteration")

    assert read(Changing(a=1, b=2)) == {"a": 1}


def test_names_that_are_written_alike_stay_apart() -> None:
    keys = [f"sk-{'a1B2c3D4' * 7}{letter}" for letter in "abc"]
    walked = (dict(zip(keys, "xyz", strict=True)),)
    assert read(walked) == [{"[REDACTED]": "x", "[REDACTED] 2": "y", "[REDACTED] 3": "z"}]
    assert read({1: "a", "1": "b", "1 2": "c"}) == {"1": "a", "1 2": "b", "1 2 3": "c"}
    long = [f"{'x' * 100_000}{letter}" for letter in "ab"]
    assert len(read({long[0]: (), long[1]: ()}, 4096)) == 2


@pytest.mark.parametrize("key", ["x" * 100_000_000, b"x" * 100_000_000])
def test_a_huge_name_costs_what_is_kept_of_it(key: Any) -> None:
    value = {key: (1,)}
    tracemalloc.start()
    try:
        text, was_cut = as_json(value, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert (len(text) <= LIMIT, was_cut) == (True, True)
    json.loads(text)


def test_a_long_name_of_a_secret_is_known_by_its_end() -> None:
    assert read({f"{'x ' * 1000}password": "hunter2", "n": (1,)})["n"] == [1]
    assert "hunter2" not in as_json({f"{'x ' * 1000}password": "hunter2", "n": (1,)}, LIMIT)[0]
