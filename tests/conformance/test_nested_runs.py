"""Which runs are listed where some are inside others."""

import json
from typing import Any

import pytest

from conformance.conftest import Store
from flujo_otel.model import SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import InnerRun, RunFilter
from support.records import BASE_NS, OTHER_TRACE, TRACE, record

MS = 1_000_000


def root(number: int, run_id: str, parent: int | None = None, /, **given: Any) -> SpanRecord:
    attributes = json.dumps({"flujo.run_id": run_id, "flujo.pipeline.name": run_id})
    role = int(Role.RUN_ROOT)
    return record(number, parent, run_id=run_id, role=role, attributes=attributes, **given)


def listed(store: Store, limit: int = 100, **where: Any) -> list[str]:
    """The outermost runs that match, checked against how many are counted."""
    selected = RunFilter(**where, outermost=True)
    found = [run.run_id for run in store.runs(selected, limit)]
    reader = store.make_reader()
    counted = reader.count_runs(selected)
    assert counted == reader.count_quickly(selected, counted)
    reader.close()
    assert len(found) == min(counted, limit)
    return found


def at(number: int) -> int:
    return BASE_NS + number * MS


def test_the_outermost_runs_are_listed_newest_first(store: Store) -> None:
    store.write(root(1, "older"), root(2, "outer"), record(3, 2), root(4, "inner", 3))
    store.write(root(5, "innermost", 4), root(6, "alone", trace_id=OTHER_TRACE))
    assert ["alone", "outer", "older"] == listed(store)
    assert ["alone", "outer"] == listed(store, 2)
    assert 5 == len(store.runs())


def test_a_run_whose_outer_one_never_came_or_is_gone_is_listed(store: Store) -> None:
    store.write(root(2, "orphan", 1), root(3, "outer"), root(4, "inner", 3))
    assert ["outer", "orphan"] == listed(store)
    list(store.maintenance.delete_runs(["outer"]))
    assert ["inner", "orphan"] == listed(store)


def test_an_outer_run_that_comes_late_takes_those_in_it_off_the_list(store: Store) -> None:
    store.write(root(4, "inner", 3))
    assert ["inner"] == listed(store)
    store.write(root(1, "outer"), record(3, 1))
    assert ["outer"] == listed(store)


def test_the_spans_around_a_named_run_are_one_too(store: Store) -> None:
    store.write(record(1), root(2, "inner", 1))
    assert [TRACE] == listed(store)


def test_one_far_back_is_listed_though_many_in_it_are_newer(store: Store) -> None:
    store.write(root(1, "older"), root(2, "outer"))
    store.write(*(root(number, f"in-{number}", 2) for number in range(3, 2_600)))
    store.write(root(9_000, "newest", trace_id=OTHER_TRACE))
    assert ["newest", "outer", "older"] == listed(store)
    assert ["newest", "outer"] == listed(store, 2)
    assert ["outer", "older"] == listed(store, until_ns=at(8_000))
    assert 2_597 == len(store.make_reader().inner_runs([TRACE]))


def test_what_matches_is_listed_or_inside_one_that_is(store: Store) -> None:
    failed = {"status": "failed"}
    store.write(
        root(1, "outer", **failed),
        root(2, "middle", 1),
        root(3, "within", 2, **failed),
        root(4, "beside", 1, **failed),
        root(5, "beneath", 4, **failed),
    )
    assert ["within", "outer"] == listed(store, status="failed")
    assert ["middle"] == listed(store, status="completed")
    assert ["beneath"] == listed(store, pipeline="beneath")
    assert ["beside", "middle"] == listed(store, since_ns=at(2))
    assert [] == listed(store, status="paused")


def test_a_run_that_died_is_found_inside_one_that_lives_on(
    store: Store, dead_process_writes: Any
) -> None:
    store.write(root(1, "outer", status="running"))
    dead_process_writes(store, root(2, "inner", 1, status="running"))
    assert ["inner"] == listed(store, status="died")
    assert ["outer"] == listed(store, status="running")
    assert ["outer"] == listed(store)


def test_a_run_whose_clock_is_behind_that_of_the_outer_one_is_inside_it(store: Store) -> None:
    store.write(root(5, "outer"), root(6, "within", 5, start_time_ns=at(1)))
    store.write(root(7, "innermost", 6, start_time_ns=at(3)))
    assert ["outer"] == listed(store)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_of_runs_that_are_in_each_other_the_first_to_start_is_listed(
    store: Store, first: int
) -> None:
    ring = {1: 3, 2: 1, 3: 2}
    starts = {number: at((number - first) % 3) for number in ring}
    store.write(
        *(
            root(number, f"ring-{number}", parent, start_time_ns=starts[number])
            for number, parent in ring.items()
        )
    )
    store.write(root(9, "hanging", 2), root(10, "early", 3, start_time_ns=at(-5)))
    assert [f"ring-{first}"] == listed(store)
    assert ["hanging"] == listed(store, pipeline="hanging")


def test_a_run_that_is_in_itself_is_in_no_other(store: Store) -> None:
    store.write(root(1, "one", 2), record(2, 1, run_id="one"))
    assert ["one"] == listed(store)


def test_what_began_where_its_outer_run_went_on_in_another_trace_is_listed(store: Store) -> None:
    """The tree of a run is that of the trace that it began in."""
    store.write(root(1, "outer", status="paused"), root(2, "inner", 1))
    store.write(root(11, "outer", trace_id=OTHER_TRACE))
    store.write(root(12, "later", 11, trace_id=OTHER_TRACE))
    assert ["later", "outer"] == listed(store)


def test_the_runs_of_a_trace_say_which_they_began_in(store: Store) -> None:
    spent = {"cost_usd": 0.5, "tokens": 7}
    store.write(root(1, "outer"), root(2, "inner", 1, status="failed"))
    store.write(root(3, "innermost", 2, **spent))
    store.write(root(9, "alone", trace_id=OTHER_TRACE))
    reader = store.make_reader()
    assert {
        InnerRun("inner", "outer", TRACE, "failed"),
        InnerRun("innermost", "inner", TRACE, "completed", 0.5, 7),
    } == set(reader.inner_runs([TRACE, OTHER_TRACE]))
    assert [] == reader.inner_runs([OTHER_TRACE, "nowhere"])
    reader.close()


def test_where_counting_takes_long_it_ends_at_what_was_asked_for(store: Store) -> None:
    store.write(*(root(n, f"r{n}", trace_id=f"{n:032x}") for n in range(1, 6)))
    reader = store.make_reader()
    outermost = RunFilter(outermost=True)
    assert 5 == reader.count_quickly(outermost, 2)  # none can be inside another
    store.write(root(9, "inner", 5, trace_id=f"{5:032x}"))
    assert (None, 5) == (reader.count_quickly(outermost, 4), reader.count_quickly(outermost, 5))
    assert (5, 6) == (reader.count_runs(outermost), reader.count_quickly(RunFilter(), 2))
    reader.close()
