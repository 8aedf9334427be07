"""Values that take for ever, or hold more than there is room for: counted as they are read."""

import json
from collections.abc import Iterator, Sequence, Set
from time import sleep
from typing import Any
from unittest.mock import MagicMock

import pytest

from flujo_otel.storage.bound import MOST_NODES
from flujo_otel.storage.snapshot import MOST_CHARACTERS, snapshot, snapshot_text


class Endless(Sequence[int]):
    """Says that it has three items, and has one for every index."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        return index


class EndlessSet(Set[int]):
    def __len__(self) -> int:
        return 3

    def __contains__(self, value: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        value = 0
        while True:
            yield value
            value += 1


class Two:
    shape = ()

    def tolist(self) -> Any:
        return [Two(), Two()]


class Unreadable:
    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __bool__ = __str__  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value", [Endless(), EndlessSet(), Two()], ids=lambda each: type(each).__name__
)
def test_what_never_ends_is_read_as_far_as_there_is_room(value: Any) -> None:
    text = json.dumps(snapshot({"a": value}))
    assert "more is cut" in text
    assert len(text) < 32 * MOST_NODES


def test_a_mock_is_its_repr() -> None:
    mock = MagicMock()
    assert repr(mock) == snapshot(mock)
    assert {"a": [repr(mock)]} == snapshot({"a": [mock]})


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    given = "a b " * MOST_CHARACTERS
    [copy] = snapshot([given])
    kept, _, rest = copy.rpartition("… ")
    assert MOST_CHARACTERS == len(kept)
    assert f"{len(given) - MOST_CHARACTERS} characters cut" == rest
    assert copy == snapshot(given) == snapshot_text(given)


def test_no_secret_is_cut_in_two() -> None:
    secret = "sk-proj-" + "aB3" * 16
    copy = snapshot("word " * (MOST_CHARACTERS // 5 - 4) + secret + " word" * 1000)
    assert "sk-proj" not in copy
    assert "[REDACTED]" in copy


def test_all_texts_of_a_value_share_the_room() -> None:
    copy = snapshot([{"text": "a b " * 1000} for _ in range(10_000)])
    assert len(json.dumps(copy)) < MOST_CHARACTERS * 1.1
    assert "… more is cut" == copy[-1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"x" * 2 * MOST_CHARACTERS, f"<bytes of {2 * MOST_CHARACTERS} bytes>"),
        (range(10**9), f"<range: more than {MOST_NODES} values>"),
        (1 << 10**8, "<int of 100000001 bits>"),
    ],
    ids=["bytes", "range", "integer"],
)
def test_what_has_no_beginning_to_show_is_named(value: Any, expected: str) -> None:
    assert expected == snapshot(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é\ud800", "é\\ud800"),
        (7, "7"),
        (10**5000, hex(10**5000)),
        (ValueError("why"), "why"),
        ({"a": [1]}, "{'a': [1]}"),
        (Unreadable(), "<Unreadable: ValueError>"),
    ],
    ids=["text", "int", "huge", "object", "data", "unreadable"],
)
def test_whatever_is_given_for_a_text_becomes_one(value: Any, expected: str) -> None:
    assert expected == snapshot_text(value)


def test_what_is_slow_is_read_as_far_as_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flujo_otel.storage.snapshot._MOST_SECONDS", 0.02)
    monkeypatch.setattr("flujo_otel.shape.time_limit._WAIT_SECONDS", 0.02)
    copy = snapshot([Slow() for _ in range(1000)])
    assert "… more is cut" == copy[-1]
    assert "slow" == copy[0]
    assert len(copy) < 50


class Slow:
    def __repr__(self) -> str:
        sleep(0.002)
        return "slow"
