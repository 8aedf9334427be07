"""Values that contain themselves, or unfold to more than any memory, are written in no time."""

import dataclasses
import json
from time import thread_time
from typing import Any
from uuid import UUID

import pytest

from flujo_otel.storage.bound import MAX_DEPTH, MOST_NODES
from flujo_otel.storage.plain import to_plain
from flujo_otel.storage.state_codec import decode, encode
from flujo_otel.storage.tagged import first_lost, has_lost

MOST_SECONDS = 15.0
"""The largest takes a second on a slow machine; without a bound it takes years."""


@dataclasses.dataclass
class Node:
    name: str
    parent: Any = None
    children: list[Any] = dataclasses.field(default_factory=list)


class Endless:
    def model_dump(self) -> Any:
        return [Endless(), Endless()]


class Itself:
    def model_dump(self) -> Any:
        return {"again": self}


def tree(children: int) -> Node:
    root = Node("root")
    root.children = [Node(str(number), root) for number in range(children)]
    return root


def graph() -> Node:
    """Each knows each: more ways through it than there are atoms."""
    nodes = [Node(str(number)) for number in range(40)]
    for node in nodes:
        node.children = nodes
    return nodes[0]


def folded(kind: Any) -> Any:
    value: Any = 1
    for _ in range(40):
        value = kind(value)
    return value


def listed() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


VALUES = {
    "list": listed,
    "tree": lambda: tree(3),
    "wide tree": lambda: tree(5000),
    "graph": graph,
    "lists in lists": lambda: folded(lambda value: [value, value]),
    "dicts in dicts": lambda: folded(lambda value: {"a": value, "b": value}),
    "objects in objects": lambda: folded(lambda value: Node("", value, value)),
    "lists in an object": lambda: Node("", folded(lambda value: (value, value))),
    "wide lists": lambda: [[["a"] * 2000] * 2000] * 2000,
    "endless": Endless,
    "itself": Itself,
}


@pytest.mark.parametrize("made", VALUES.values(), ids=VALUES.keys())
def test_it_ends(made: Any) -> None:
    value, began = made(), thread_time()
    text = encode({"a": value})
    assert has_lost(text)
    decode(text)
    plain = json.dumps(to_plain([value]))
    assert thread_time() - began < MOST_SECONDS
    assert max(len(plain), len(text)) < 100 * MOST_NODES


def test_a_value_in_itself_is_said() -> None:
    word = "<Node that contains itself>"
    child = {"name": "0", "parent": word, "children": []}
    assert to_plain(tree(1)) == {"name": "root", "parent": None, "children": [child]}
    assert first_lost(encode(tree(1))) == word
    assert decode(encode([tree(1), "b"]))[0]["children"] == [child | {"parent": None}]


def test_a_value_held_twice_is_written_twice() -> None:
    held = Node("a", b"a")
    shown = {"name": "a", "parent": "YQ==", "children": []}
    assert to_plain([held, held]) == [shown, shown]
    assert decode(encode([held, held])) == [{**shown, "parent": b"a"}] * 2


def test_what_is_more_than_the_most_is_said() -> None:
    much = [0] * (MOST_NODES + 1)
    assert to_plain({"a": much}) == {"a": f"<list: more than {MOST_NODES} values>"}
    parts = [[0] * (MOST_NODES // 4)] * 4
    assert to_plain(parts)[-1] == f"<list: more than {MOST_NODES} values>"


@pytest.mark.parametrize("odd", [{}, {None: "a"}, {"a": b"b"}])
def test_a_state_that_a_program_holds_in_memory_is_saved_whole(odd: dict[Any, Any]) -> None:
    shared = {"unit": "m"}
    rows = [[number, shared] for number in range(MOST_NODES // 2)]
    text = encode([rows, odd])
    assert not has_lost(text)
    assert decode(text)[0] == rows


def test_what_is_deep_is_cut_where_it_cannot_be_written_as_it_is() -> None:
    value: Any = b"a"
    for _ in range(MAX_DEPTH * 100):
        value = [value]
    assert has_lost(encode(value))
    assert f"<list below depth {MAX_DEPTH}>" in json.dumps(to_plain(value))


def test_no_two_keys_become_one() -> None:
    first, second = UUID(int=1), UUID(int=2)
    assert {str(first): 1, str(second): 2} == to_plain({first: 1, second: 2})
    assert [1, 2, 3, 4] == list(to_plain({object(): 1, object(): 2, 1: 3, "1": 4}).values())
