"""What a change feed tells: everything that changed after a position, once, in order."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from conformance.conftest import Store
from flujo_otel.model import Batch, RunStatus
from flujo_otel.spanstore.changes import ChangeFeed, ChangeFilter, ChangePage, SpanChange
from support.records import BASE_NS, OTHER_TRACE, TRACE, record

SECOND = 1_000_000_000


@pytest.fixture
def feed(store: Store) -> Iterator[ChangeFeed]:
    store.write(record(1, name="first", trace_id=OTHER_TRACE))
    opened = store.make_feed()
    yield opened
    opened.close()


def rest(feed: ChangeFeed, after: int, where: ChangeFilter = ChangeFilter()) -> list[SpanChange]:  # noqa: B008
    """All pages after `after`."""
    found: list[SpanChange] = []
    page: ChangePage[SpanChange] = ChangePage([], after, is_last=False)
    while not page.is_last:
        page = feed.spans(page.position, where)
        found += page.items
    return found


def names(changes: list[SpanChange]) -> list[str]:
    return [f"{change.span.name} {change.span.status}" for change in changes]


def test_nothing_changed_is_an_empty_page_at_the_same_position(feed: ChangeFeed) -> None:
    now = feed.position()
    assert ChangePage([], now, is_last=True) == feed.spans(now)
    assert ChangePage([], now, is_last=True) == feed.runs(now)


def test_a_span_is_told_when_it_starts_and_again_when_it_ends(
    store: Store, feed: ChangeFeed
) -> None:
    start = feed.position()
    store.write(record(1, status="running"))
    page = feed.spans(start)
    assert ["span-1 running"] == names(list(page.items))
    store.write(record(1))
    assert ["span-1 completed"] == names(list(feed.spans(page.position).items))
    assert feed.position() == feed.spans(page.position).position


def test_a_span_that_changed_twice_meanwhile_is_told_once_as_it_is_now(
    store: Store, feed: ChangeFeed
) -> None:
    start = feed.position()
    store.write(record(1, status="running"))
    store.write(record(1))
    assert ["span-1 completed"] == names(rest(feed, start))


def test_a_duplicate_is_no_change(store: Store, feed: ChangeFeed) -> None:
    store.write(record(1))
    now = feed.position()
    store.write(record(1), record(1, status="running"))
    assert [] == rest(feed, now)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "renamed"},
        {"status": "failed"},
        {"status_code": 2},
        {"status_message": "sour milk"},
        {"attributes": '{"a":1}'},
        {"events": '[{"name":"e","time_ns":5,"attributes":{}}]'},
        {"otel_parent_id": "00000000000000ff"},
        {"end_time_ns": BASE_NS + SECOND},
        {"resource_id": 2},
        {"scope_id": 2},
        {"flags": 0x301},
        {"otlp": b"with an unknown field"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_changes_of_what_a_span_says_is_a_change_of_its_content(
    store: Store, feed: ChangeFeed, changed: dict[str, Any]
) -> None:
    """Each of them alone, of a span that is stored without its exact bytes."""
    store.write(record(2, 1, otlp=None))
    now = feed.position()
    store.write(record(2, 1, **{"otlp": None, **changed}))
    assert [True] == [now < change.content_seq == change.change_seq for change in rest(feed, now)]


def test_what_another_connection_writes_is_told_in_the_order_of_the_writes(
    store: Store, feed: ChangeFeed
) -> None:
    start = feed.position()
    other = store.make_writer()
    for number in range(2, 6):
        (store.writer if number % 2 else other).write(Batch([record(number, 1)]))
    other.close()
    changes = rest(feed, start)
    assert [f"span-{number}" for number in range(2, 6)] == [c.span.name for c in changes]
    assert all(one.change_seq < two.change_seq for one, two in pairwise(changes))


def test_pages_miss_nothing_and_repeat_nothing(store: Store, feed: ChangeFeed) -> None:
    start = feed.position()
    store.write(record(1), *(record(number, 1) for number in range(2, 2345)))
    pages = [feed.spans(start)]
    while not pages[-1].is_last:
        pages.append(feed.spans(pages[-1].position))
    assert len(pages) > 1
    told = [change.span.otel_span_id for page in pages for change in page.items]
    assert 2344 == len(told) == len(set(told))


def test_a_page_that_matches_nothing_leads_on_all_the_same(store: Store, feed: ChangeFeed) -> None:
    start = feed.position()
    store.write(record(1), *(record(number, 1, name="dull") for number in range(2, 12_000)))
    store.write(record(12_000, 1, name="sought", status="failed"))
    first = feed.spans(start, ChangeFilter(name="sought"))
    assert ([], False) == (list(first.items), first.is_last)
    assert start < first.position < feed.position()
    assert ["sought failed"] == names(rest(feed, start, ChangeFilter(name="sought")))
    assert ["sought failed"] == names(rest(feed, start, ChangeFilter(status="failed")))


def test_a_filter_takes_the_beginning_of_a_run_s_id(store: Store, feed: ChangeFeed) -> None:
    store.write(record(2, 1), record(3, run_id="run_abc"), record(4, run_id="run_abd"))
    assert ["span-3 completed"] == names(rest(feed, 0, ChangeFilter(run="run_abc")))
    assert ["span-3 completed", "span-4 completed"] == names(
        rest(feed, 0, ChangeFilter(run="run_"))
    )


def test_a_span_that_only_moved_to_another_run_says_so(store: Store, feed: ChangeFeed) -> None:
    start = feed.position()
    store.write(record(2, 1))
    [before] = rest(feed, start)
    assert before.content_seq == before.change_seq
    store.write(record(1, run_id="named"))
    moved = next(change for change in rest(feed, before.change_seq) if change.span.name == "span-2")
    assert "named" == moved.span.run_id
    assert before.content_seq == moved.content_seq < moved.change_seq


def test_runs_are_told_as_they_are_now(store: Store, feed: ChangeFeed) -> None:
    start = feed.position()
    store.write(record(1, status="running"))
    page = feed.runs(start)
    assert [(TRACE, RunStatus.RUNNING)] == [(run.run_id, run.status) for run in page.items]
    store.write(record(2, 1), record(1, status="failed"))
    page = feed.runs(page.position)
    assert [(TRACE, "failed", 2)] == [(r.run_id, r.status, r.span_count) for r in page.items]
    assert [] == list(feed.runs(page.position).items)


def test_a_run_whose_process_is_gone_died(
    store: Store, feed: ChangeFeed, dead_process_writes: Callable[..., None]
) -> None:
    start = feed.position()
    dead_process_writes(store, record(1, status="running"))
    assert [RunStatus.DIED] == [run.status for run in feed.runs(start).items]


def test_open_spans_are_those_without_an_end_latest_arrival_first(
    store: Store, feed: ChangeFeed
) -> None:
    store.write(record(1, status="running"), record(2, 1), record(3, 1, status="running"))
    store.write(*(record(number, 1, status="running") for number in range(4, 1204)))
    expected = [f"span-{number}" for number in (1, *range(3, 1204))]
    assert expected[::-1] == [span.name for span in feed.open_spans()]
    assert 1202 == feed.count_open_spans()
    started = [span.name for span in feed.open_spans(BASE_NS + 3_000_000)]
    assert ["span-3", "span-1"] == started
    assert 2 == feed.count_open_spans(BASE_NS + 3_000_000)


def test_after_the_position_of_a_time_comes_all_that_started_or_ended_since(
    store: Store, feed: ChangeFeed
) -> None:
    then = BASE_NS + 3600 * SECOND
    store.write(record(1), record(2, 1, start_time_ns=BASE_NS))
    before = feed.position()
    store.write(record(3, 1, start_time_ns=BASE_NS, end_time_ns=then + SECOND))
    store.write(record(4, 1, start_time_ns=then))
    store.write(record(5, 1, start_time_ns=BASE_NS))
    assert before == feed.position_at(then)
    assert feed.position() == feed.position_at(then + 60 * SECOND)
    assert 0 == feed.position_at(0)


def test_a_late_arrival_of_old_spans_hides_nothing_before_it(
    store: Store, feed: ChangeFeed
) -> None:
    now = BASE_NS + 3600 * SECOND
    store.write(record(1, start_time_ns=now, name="recent"))
    store.write(*(record(number, 1, start_time_ns=BASE_NS) for number in range(2, 900)))
    assert "recent completed" in names(rest(feed, feed.position_at(now)))


def test_a_deleted_database_is_not_the_current_one(store: Store, feed: ChangeFeed) -> None:
    assert feed.is_current()
    store.write(record(1))
    assert feed.is_current()
    store.remove()
    assert not feed.is_current()
    store.write(record(2, 1))
    assert not feed.is_current()
    again = store.make_feed()
    assert again.is_current()
    assert ["span-2 completed"] == names(rest(again, 0))
    again.close()


def test_no_read_transaction_stays_open_between_calls(store: Store, feed: ChangeFeed) -> None:
    """A reader in the middle of open spans or between pages does not hold the log back."""
    store.write(*(record(number, 1, status="running") for number in range(2, 1500)))
    reading = feed.open_spans()
    next(reading)
    feed.spans(0)
    assert store.log_can_be_emptied()
    assert 1497 == len(list(reading))
