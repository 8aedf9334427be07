"""Where in a span something was found, and what a condition says."""

import time

import pytest

from flujo_otel.model import Event, RunStatus
from flujo_otel.query.search import Condition, Place, Search, found_in
from unit.cli.scenes import MS, START_NS, a_run, a_span


def places(where: Search, **given: object) -> list[Place] | None:
    span = a_span(1, "answer", 0, 10, **given)  # type: ignore[arg-type]
    found = found_in(span, a_run(), where, START_NS)
    return None if found is None else list(found.places)


def test_each_part_says_where_it_first_stands() -> None:
    event = Event("exception", 0, {"exception.message": "Sour milk, sour cream"})
    found = places(
        Search(text="sour"), message="sour", attributes={"a": "is SOUR", "b": 3}, events=(event,)
    )
    assert found == [
        Place("status message", "sour", 0, 4),
        Place("a", "is SOUR", 3, 7),
        Place("exception: exception.message", "Sour milk, sour cream", 0, 4),
    ]


def test_text_in_json_is_found_as_it_is_read() -> None:
    [place] = places(Search(text='said "no"\n'), attributes={"v": '["she said \\"no\\"\\n"]'}) or []
    assert place == Place("v", 'she said "no"\n', 4, 14)


def test_a_text_that_repeats_itself_takes_no_longer() -> None:
    started = time.monotonic()
    assert places(Search(text="X" * 5_000 + "y"), attributes={"v": "x" * 1_000_000}) is None
    assert time.monotonic() - started < 2


def test_what_nearly_all_spans_have_is_found_by_a_condition_alone() -> None:
    given = {"input.mime_type": "application/json", "openinference.span.kind": "CHAIN"}
    assert places(Search(text="json"), attributes=given) is None
    assert places(Search(text="chain"), attributes=given) is None
    asked = Search(conditions=(Condition.of("openinference.span.kind=CHAIN"),))
    assert places(asked, attributes=given)


def test_the_attributes_that_were_asked_for_are_told() -> None:
    conditions = (Condition.of("n>3"), Condition.of("tags"))
    found = places(Search(conditions=conditions), attributes={"n": 4, "tags": ["a"]})
    assert found == [Place("n", "4"), Place("tags", '["a"]')]


def test_what_died_is_not_running() -> None:
    gone = a_run()._replace(
        status=RunStatus.DIED, end_time_ns=None, last_time_ns=START_NS + 50 * MS
    )
    span = a_span(1, "answer", 0, None)
    assert found_in(span, gone, Search(status="died"), START_NS)
    assert not found_in(span, gone, Search(status="running"), START_NS)
    long = Search(least_ns=50 * MS)
    assert found_in(span, gone, long, START_NS + 10**12)
    assert not found_in(span, gone, Search(least_ns=51 * MS), START_NS + 10**12)
    assert found_in(span, a_run(), Search(least_ns=51 * MS), START_NS + 51 * MS)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("k", None, True),
        ("k=true", True, True),
        ("k=1", True, False),
        ("k=1.50", 1.5, True),
        ("k=1.5", "1.50", True),
        ("k=a=b", "a=b", True),
        ("k=", "", True),
        ("k= a", "a", False),
        ("k=A", "a", False),
        ('k=["a"]', ["a"], True),
        ("k>2", "many", False),
        ("k>2", [1, 3], True),
        ("k<=2", 2, True),
        ("k>2", 2, False),
        ("k>2", None, False),
        ("k>nan", 2, False),
    ],
)
def test_a_condition(text: str, value: object, *, holds: bool) -> None:
    assert Condition.of(text).holds(value) is holds


@pytest.mark.parametrize("text", ["", "=3", ">3", "k>", "k>much"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Condition.of(text)
