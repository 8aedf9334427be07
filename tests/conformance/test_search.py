"""Looking for spans: whatever a backend leaves out beforehand, nothing that matches is missed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.conftest import Store
from flujo_otel.query.search import Condition, Search, search
from flujo_otel.wire.values import json_encoder
from support.records import BASE_NS, record, root

NOW_NS = BASE_NS + 3_600 * 10**9
ENCODE = json_encoder(",", ":")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
SCALARS = (
    TEXT
    | st.integers(-999, 999)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT, inner, max_size=2)
        # as inputs and outputs are: JSON in JSON, by others' encoders too
        | inner.map(json.dumps)
        | inner.map(lambda value: json.dumps(value).replace("/", "\\/").replace("&", "\\u0026"))
    ),
    max_leaves=4,
)


def names(store: Store, where: Search) -> list[str]:
    reader = store.make_reader()
    try:
        runs = list(search(reader, where, NOW_NS, lambda _: None))
    finally:
        reader.close()
    return [found.span.name for run in runs for found in run.found]


def leaves(value: Any) -> Iterator[str]:
    """The texts that a person reads in `value`."""
    if isinstance(value, dict):
        for part in (*value, *value.values()):
            yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, str) and value:
        try:
            inner = json.loads(value) if value[:1] in '"[{' else None
        except ValueError:
            inner = None
        if inner is None:
            yield value
        else:
            yield from leaves(inner)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, data=st.data())
def test_a_text_is_found_wherever_it_stands(store: Store, value: Any, data: st.DataObject) -> None:
    texts = [text for text in leaves(value) if text.strip()]
    if not texts:
        return
    text = data.draw(st.sampled_from(texts))
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : data.draw(st.integers(start + 1, len(text)))]
    in_event = data.draw(st.booleans())
    encoded = ENCODE({"key": value})
    event = f'[{{"name":"event","time_ns":5,"attributes":{encoded}}}]'
    given_: dict[str, Any] = {"events": event} if in_event else {"attributes": encoded}
    store.write(record(1, name="wanted", **given_))
    assert names(store, Search(text=data.draw(st.sampled_from([piece, piece.swapcase()])))) in (
        ["wanted"],
        # Of some letters there are more than two cases: ſ, s and S.
        *([[]] if not piece.isascii() else []),
    )
    assert names(store, Search(text=piece)) == ["wanted"]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=TEXT.filter(lambda key: not set(key) & set("=<>") and key == key.strip()), value=SCALARS)
def test_an_attribute_is_found_by_its_value(store: Store, key: str, value: Any) -> None:
    store.write(record(1, name="wanted", attributes=ENCODE({key: value})))
    said = value if isinstance(value, str) else json.dumps(value)
    assert names(store, Search(conditions=(Condition.of(key),))) == ["wanted"]
    assert names(store, Search(conditions=(Condition.of(f"{key}={said}"),))) == ["wanted"]


def test_signs_that_like_knows_stand_for_themselves(store: Store) -> None:
    store.write(record(1, attributes='{"a":"100%"}'), record(2, 1, attributes='{"a":"1000"}'))
    assert names(store, Search(text="100%")) == ["span-1"]
    assert names(store, Search(text="0_")) == []
    assert names(store, Search(text="!")) == []


def test_a_text_goes_on_behind_a_nul(store: Store) -> None:
    store.write(
        record(1, name="a\0sour"), record(2, 1, status_message="b\0Sour"), record(3, 1, name="c\0")
    )
    assert names(store, Search(text="sour")) == ["a\0sour", "span-2"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (Search(name="span-2"), ["span-2"]),
        (Search(status="failed"), ["span-3"]),
        (Search(least_ns=2_000_000), ["span-3", "span-4"]),
        (Search(text="milk", status="completed"), ["span-2"]),
        (Search(conditions=(Condition.of("n>4"),)), ["span-3"]),
        (Search(conditions=(Condition.of("n>=4"), Condition.of("n<5"))), ["span-2"]),
        (Search(conditions=(Condition.of("tags=b"),)), ["span-2"]),
        (Search(conditions=(Condition.of("none"),)), []),
        (Search(text="sour", run_id="r1"), ["span-3"]),
        (Search(text="milk", run_id="r2"), []),
        (Search(text="milk", pipeline="another"), []),
        (Search(text="milk", since_ns=BASE_NS + 10**9), []),
    ],
)
def test_each_thing_that_is_asked_holds(store: Store, where: Search, found: list[str]) -> None:
    store.write(
        root(1, "r1"),
        record(2, 1, run_id="r1", attributes='{"a":"milk","n":4,"tags":["a","b"]}'),
        record(
            3,
            1,
            run_id="r1",
            attributes='{"n":5}',
            status="failed",
            status_message="sour MILK",
            end_time_ns=BASE_NS + 10_000_000,
        ),
        record(4, 1, run_id="r1", status="running"),
        root(9, "r2", trace_id="1" * 32),
    )
    assert names(store, where) == found


def test_the_newest_run_comes_first_of_many_that_started_at_once(store: Store) -> None:
    store.write(
        *(
            root(number, f"r{number}", start_time_ns=BASE_NS, trace_id=f"{number:032x}")
            for number in range(1, 1201)
        )
    )
    reader = store.make_reader()
    done: list[int] = []
    found = [each.run.run_id for each in search(reader, Search(text="triage"), 0, done.append)]
    reader.close()
    assert len(found) == len(set(found)) == 1200
    assert done[-1] == 1200 and done == sorted(done)
