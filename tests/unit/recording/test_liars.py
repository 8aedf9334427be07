"""Values that lie: JSON all the same, in bounded time."""

import json
import threading
from collections.abc import Iterator, Set
from itertools import count
from typing import Any

import pytest

from flujo_otel.recording.json_text import as_json
from flujo_otel.redaction import Redactor


class EndlessSet(Set[int]):
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[int]:
        return count()

    def __contains__(self, item: object) -> bool:
        return True


class BadKey:
    def __str__(self) -> str:
        raise ValueError


class BadName(dict[str, Any]):
    def __bool__(self) -> bool:
        raise ValueError


@pytest.mark.timeout(20)
def test_a_set_without_an_end() -> None:
    text, was_cut = as_json(EndlessSet(), 4096)
    assert len(json.loads(text)) > 100
    assert was_cut


@pytest.mark.parametrize("bad", [{BadKey(): 1}, {"password": BadName(a=1)}])
def test_half_an_object_is_not_left(bad: object) -> None:
    text, _ = as_json({"rows": (1, 2), "bad": bad, "answer": 42}, 4096)
    found = json.loads(text)
    assert (found["rows"], found["answer"]) == ([1, 2], 42)


def test_a_secret_that_comes_and_goes_meanwhile_is_redacted() -> None:
    """What is written is what is looked through, not what the value has become."""
    redactor, value = Redactor(), {"password": ""}

    def encode(given: Any) -> str:
        value["password"] = "hunter22-is-mine"
        text = json.dumps(given)
        value["password"] = ""
        return text

    assert "hunter22" not in redactor.encoded(value, encode)


def test_while_another_thread_sets_it() -> None:
    redactor, value, ends = Redactor(), {"password": ""}, threading.Event()

    def change() -> None:
        while not ends.is_set():
            value["password"] = "hunter22-is-mine"
            value["password"] = ""

    thread = threading.Thread(target=change)
    thread.start()
    try:
        texts = {redactor.encoded(value, json.dumps) for _ in range(20_000)}
    finally:
        ends.set()
        thread.join()
    assert not any("hunter22" in text for text in texts)
