"""What a store does with spans: nothing fails, nothing is lost, nothing is doubled."""

import dataclasses

from conformance.conftest import Store
from flujo_otel.model import Event, Link, Loss, RunStatus
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel.spanstore.maintenance import Deleted
from support.records import BASE_NS, OTHER_TRACE, TRACE, record, span_id


def test_a_span_comes_back_as_it_was_written(store: Store) -> None:
    written = record(
        1,
        status="failed",
        status_message="sour milk",
        attributes='{"a":1,"b":["x"]}',
        events='[{"name":"e","time_ns":5,"attributes":{"k":"v"}}]',
        links='[{"trace_id":"ab","span_id":"cd","attributes":{}}]',
        cost_usd=0.5,
        tokens=7,
    )
    assert 1 == store.changes(written)
    [span] = store.spans(TRACE)
    read = span._asdict()
    assert {
        "span_id": span_id(1),
        "run_id": TRACE,
        "trace_id": TRACE,
        "otel_span_id": span_id(1),
        "otel_parent_id": None,
        "name": "span-1",
        "kind": 1,
        "start_time_ns": BASE_NS + 1_000_000,
        "end_time_ns": BASE_NS + 2_000_000,
        "status": "failed",
        "status_message": "sour milk",
        "attributes": {"a": 1, "b": ["x"]},
        "events": (Event("e", 5, {"k": "v"}),),
        "links": (Link("ab", "cd", {}),),
        "role": 2,
        "cost_usd": 0.5,
        "tokens": 7,
    } == read


def test_a_duplicate_changes_nothing_and_takes_no_change_number(store: Store) -> None:
    store.write(record(1), record(2, 1))
    before = store.change_seq()
    assert 0 == store.changes(record(1), record(2, 1))
    assert before == store.change_seq()
    assert 2 == store.run(TRACE).span_count


def test_an_end_updates_the_running_row_and_takes_a_new_change_number(store: Store) -> None:
    store.write(record(1, status="running"))
    before = store.change_seq()
    assert [None] == [s.end_time_ns for s in store.spans(TRACE)]
    assert 1 == store.changes(record(1))
    assert ["completed"] == [s.status for s in store.spans(TRACE)]
    assert before < store.change_seq()


def test_running_never_overwrites_ended(store: Store) -> None:
    store.write(record(1))
    assert 0 == store.changes(record(1, status="running"))
    assert ["completed"] == [s.status for s in store.spans(TRACE)]


def test_start_and_end_in_one_batch_are_written_once_in_either_order(store: Store) -> None:
    store.write(
        record(1, status="running"), record(1), record(2, 1), record(2, 1, status="running")
    )
    assert ["completed", "completed"] == [s.status for s in store.spans(TRACE)]
    assert 0 == sum(s.status == "running" for s in store.spans(TRACE))


def test_children_may_come_before_their_parents(store: Store) -> None:
    store.write(record(3, 2))
    store.write(record(2, 1))
    store.write(record(1))
    assert {TRACE: ["span-1", "span-2", "span-3"]} == store.filed()


def test_a_parent_that_never_comes_is_no_error(store: Store) -> None:
    store.write(record(2, 77))
    assert [span_id(77)] == [s.otel_parent_id for s in store.spans(TRACE)]


def test_parents_in_a_circle_are_stored(store: Store) -> None:
    store.write(record(1, 2), record(2, 1), record(3, 3))
    store.write(record(4, 2, run_id="named"), record(5, 4))
    assert {"named": ["span-4", "span-5"], TRACE: ["span-1", "span-2", "span-3"]} == store.filed()


def test_equal_span_ids_in_two_traces_are_two_spans(store: Store) -> None:
    """OTel span ids are unique only within a trace."""
    twin = record(1, trace_id=OTHER_TRACE, name="twin")
    child = record(2, 1, trace_id=OTHER_TRACE, name="twin-child")
    store.write(child)
    store.write(record(1), twin)
    store.write(record(2, 1))
    assert {
        TRACE: ["span-1", "span-2"],
        OTHER_TRACE: ["twin", "twin-child"],
    } == store.filed()
    assert 0 == store.changes(record(1), twin, record(2, 1), child)


def test_repeated_ids_with_another_start_are_another_span_and_counted(store: Store) -> None:
    """`random.seed(42)` in a user's program repeats yesterday's ids."""
    today = record(1, name="today", start_time_ns=BASE_NS + 10**15)
    store.write(record(1))
    store.write(today)
    assert 0 == store.changes(today, record(1))
    assert {TRACE: ["span-1", "today"]} == store.filed()
    losses = store.maintenance.health(check_integrity=False).losses
    assert [("id_reused", 1)] == [(loss.reason, loss.count) for loss in losses]


def test_the_same_ids_twice_in_one_batch_are_two_spans(store: Store) -> None:
    store.write(record(1), record(1, name="again", start_time_ns=BASE_NS + 10**15))
    assert {TRACE: ["span-1", "again"]} == store.filed()


def test_ids_that_are_no_otel_ids_are_kept_as_given(store: Store) -> None:
    store.write(
        record(1, trace_id="test-123", otel_span_id="6f1c2a52-uuid", role=2),
        record(2, trace_id="test-123", otel_span_id="b", otel_parent_id="6f1c2a52-uuid", role=0),
    )
    assert ["6f1c2a52-uuid", "b"] == [s.otel_span_id for s in store.spans("test-123")]


def test_only_the_culprit_of_a_batch_is_rejected_with_the_reason(store: Store) -> None:
    records = [record(number, name=f"n{number}") for number in range(1, 41)]
    records[7] = record(8, name="lone \udc80 surrogate")
    records[30] = record(31, kind=1 << 63)
    result = store.write(*records)
    assert [span_id(8), span_id(31)] == sorted(r.record.otel_span_id for r in result.rejected)
    assert all(r.reason for r in result.rejected)
    assert 38 == store.run(TRACE).span_count


def test_a_record_that_the_store_chokes_on_costs_no_other(store: Store) -> None:
    step = {"role": 1, "attributes": "{this is no JSON"}
    result = store.write(record(1), record(2, 1, **step), record(3, 1))
    assert [span_id(2)] == [rejected.record.otel_span_id for rejected in result.rejected]
    assert ["span-1", "span-3"] == [s.name for s in store.spans(TRACE)]


def test_ids_that_look_like_our_long_names_are_no_reused_ones(store: Store) -> None:
    store.write(record(1, trace_id="run@1", otel_span_id="root@x/1"))
    assert () == store.maintenance.health(check_integrity=False).losses


def test_a_span_filter_takes_status_and_name(store: Store) -> None:
    store.write(record(1), record(2, 1, status="failed"), record(3, 1, name="x", status="failed"))
    reader = store.make_reader()
    assert ["span-2", "x"] == [s.name for s in reader.spans(TRACE, SpanFilter(status="failed"))]
    assert ["x"] == [s.name for s in reader.spans(TRACE, SpanFilter(status="failed", name="x"))]
    reader.close()


def test_a_batch_of_many_sizes_is_stored_whole(store: Store) -> None:
    written = [record(1)] + [record(number, 1) for number in range(2, 3334)]
    assert 3333 == store.changes(*written)
    assert 3333 == len(store.spans(TRACE))


def test_losses_add_up(store: Store) -> None:
    loss = Loss("app", "queue_full", "", 3, 10, 20)
    store.writer.count_losses([loss, dataclasses.replace(loss, count=4, last_time_ns=30)])
    [counted] = store.maintenance.health(check_integrity=False).losses
    assert Loss("app", "queue_full", "", 7, 10, 30) == counted


def test_deleting_a_run_leaves_nothing_of_it_and_all_of_the_others(store: Store) -> None:
    store.write(
        record(1),
        record(2, 1, role=1, attributes='{"flujo.step.index":0,"flujo.step.type":"Step"}'),
        record(3, 2, run_id="inner", role=2),
        record(4, 3),
    )
    assert [Deleted(TRACE, was_there=True)] == list(store.maintenance.delete_runs([TRACE]))
    assert {"inner": ["span-3", "span-4"]} == store.filed()
    assert [] == store.spans(TRACE)
    assert [] == store.steps(TRACE)
    assert store.run(TRACE) is None
    assert [Deleted(TRACE, was_there=False)] == list(store.maintenance.delete_runs([TRACE]))


def test_a_chain_of_five_thousand_parents_can_be_deleted(store: Store) -> None:
    store.write(record(1), *(record(number, number - 1) for number in range(2, 5001)))
    assert [Deleted(TRACE, was_there=True)] == list(store.maintenance.delete_runs([TRACE]))
    assert [] == store.runs()


def test_what_is_written_is_there_for_a_reader_at_once(store: Store) -> None:
    store.write(record(1, status="running"))
    reader = store.make_reader()
    assert RunStatus.RUNNING == reader.get_run(TRACE).status
    store.write(record(1))
    assert RunStatus.COMPLETED == reader.get_run(TRACE).status
    reader.close()
