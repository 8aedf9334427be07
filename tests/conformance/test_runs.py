"""Which run a span belongs to, and what a run says of its spans."""

import os
import signal
import time
from typing import Any

import pytest

from conformance.conftest import Store
from flujo_otel import process
from flujo_otel.model import Batch, Resource, RunStatus
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import Root, RunFilter, SpanFilter
from support.records import BASE_NS, OTHER_TRACE, TRACE, record, root, span_id, step

MS = 1_000_000


def test_without_a_name_the_trace_is_the_run(store: Store) -> None:
    store.write(record(1), record(2, 1), record(1, trace_id=OTHER_TRACE))
    assert {TRACE: ["span-1", "span-2"], OTHER_TRACE: ["span-1"]} == store.filed()


def test_a_late_root_takes_its_descendants_along_and_the_provisional_run_goes(
    store: Store,
) -> None:
    store.write(record(4, 3), record(3, 2, status="failed"))
    assert {TRACE: ["span-3", "span-4"]} == store.filed()
    before = store.change_seq()
    store.write(record(2, 1), root(1, "r1"))
    assert {"r1": ["pipeline_run", "span-2", "span-3", "span-4"]} == store.filed()
    assert before < store.change_seq()
    run = store.run("r1")
    assert (4, 1, RunStatus.COMPLETED) == (run.span_count, run.error_count, run.status)


def test_a_span_that_comes_after_its_named_ancestor_is_filed_with_it(store: Store) -> None:
    store.write(root(1, "r1"), record(2, 1))
    store.write(record(3, 2))
    store.write(record(4, 3))
    assert {"r1": ["pipeline_run", "span-2", "span-3", "span-4"]} == store.filed()


def test_the_nearest_named_ancestor_decides_and_two_runs_in_a_trace_stay_two(
    store: Store,
) -> None:
    store.write(record(5, 4), record(4, 3), record(3, 2))
    store.write(root(4, "inner", parent=3, name="inner-root"))
    store.write(root(1, "outer"), record(2, 1))
    assert {
        "outer": ["pipeline_run", "span-2", "span-3"],
        "inner": ["inner-root", "span-5"],
    } == store.filed()
    reader = store.make_reader()
    assert ["inner", "outer"] == [run.run_id for run in reader.runs_of_trace(TRACE)]
    reader.close()


def test_parents_that_come_to_be_a_circle_within_a_run_are_stored(store: Store) -> None:
    store.write(record(1, run_id="named"), record(2, 1))
    store.write(record(2, 3))
    store.write(record(3, 2))
    assert {"named": ["span-1", "span-2", "span-3"]} == store.filed()


def test_a_root_gives_a_run_its_name_version_status_times_and_context(store: Store) -> None:
    more = {"flujo.pipeline.version": "1.2", "flujo.final_context": '{"a": 1}'}
    store.write(record(3, 2, status="failed"), record(2, 1), root(1, "r1", more=more))
    run = store.run("r1")
    assert ("triage", "1.2") == (run.pipeline_name, run.pipeline_version)
    assert RunStatus.COMPLETED == run.status
    assert (BASE_NS + MS, BASE_NS + 2 * MS) == (run.start_time_ns, run.end_time_ns)
    assert BASE_NS + 4 * MS == run.last_time_ns
    assert '{"a": 1}' == run.final_context
    assert TRACE == run.trace_id


def test_a_run_whose_status_is_a_word_of_its_own_has_not_succeeded(store: Store) -> None:
    store.write(root(1, "r1", status="exploded"))
    assert RunStatus.FAILED == store.run("r1").status


def test_what_comes_after_a_root_leaves_what_that_said(store: Store) -> None:
    more = {"flujo.pipeline.version": "1.2", "flujo.final_context": '{"a": 1}'}
    store.write(root(1, "r1", more=more))
    before = store.run("r1")
    store.write(record(2, 1, status="failed"))
    after = store.run("r1")
    assert '{"a": 1}' == after.final_context
    told = "pipeline_name", "pipeline_version", "status", "start_time_ns", "end_time_ns"
    assert [getattr(before, name) for name in told] == [getattr(after, name) for name in told]


def test_until_a_root_comes_a_run_is_the_span_of_its_spans(store: Store) -> None:
    store.write(record(3, 1), record(2, 1))
    run = store.run(TRACE)
    assert (BASE_NS + 2 * MS, BASE_NS + 4 * MS) == (run.start_time_ns, run.end_time_ns)
    assert ("span-2", RunStatus.COMPLETED) == (run.pipeline_name, run.status)
    store.write(record(4, 1, status="running"))
    assert (RunStatus.RUNNING, None) == (store.run(TRACE).status, store.run(TRACE).end_time_ns)
    store.write(record(4, 1, status="failed"))
    assert RunStatus.FAILED == store.run(TRACE).status


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("said", ["unknown", ""])
def test_a_later_root_whose_name_says_nothing_leaves_the_run_its_name(
    store: Store, said: str, *, at_once: bool
) -> None:
    roots = root(1, "r1"), root(2, "r1", trace_id=OTHER_TRACE, more={"flujo.pipeline.name": said})
    for records in [roots] if at_once else [[each] for each in roots]:
        store.write(*records)
    assert "triage" == store.run("r1").pipeline_name
    store.write(root(3, "r1", more={"flujo.pipeline.name": "better"}))
    assert "better" == store.run("r1").pipeline_name


def test_a_run_that_nobody_named_is_called_after_its_service_or_its_program(store: Store) -> None:
    nameless = {"flujo.pipeline.name": "unknown"}
    store.write(root(1, "r1", more=nameless))
    assert process.current().command == store.run("r1").pipeline_name
    of_shop = root(2, "r2", more=nameless)._replace(resource_id=7)
    store.writer.write(Batch([of_shop], (Resource(7, '{"service.name": "shop"}', "", b""),)))
    assert "shop" == store.run("r2").pipeline_name


def test_an_end_says_what_the_start_did_not_know(store: Store) -> None:
    """Links, attributes that make a step of it, and what other thing a program may add to it."""
    store.write(record(1, run_id="r1", status="running"))
    end = record(
        1,
        name="renamed",
        attributes='{"flujo.step.type":"Step"}',
        links='[{"trace_id":"ab","span_id":"cd","attributes":{}}]',
        resource_id=7,
        role=int(Role.RUN_ROOT | Role.STEP),
    )
    store.writer.write(Batch([end], (Resource(7, '{"service.name": "shop"}', "", b""),)))
    [span] = store.spans("r1")
    assert ("renamed", Role.RUN_ROOT | Role.STEP) == (span.name, span.role)
    assert ["ab"] == [link.trace_id for link in span.links]
    assert {"service.name": "shop"} == store.roots(["r1"])["r1"].resource


def test_a_resumed_run_keeps_its_first_start_and_takes_its_latest_status(store: Store) -> None:
    store.write(root(1, "r1", status="paused"))
    assert RunStatus.PAUSED == store.run("r1").status
    store.write(root(50, "r1", status="running"))
    assert RunStatus.RUNNING == store.run("r1").status
    store.write(root(50, "r1"))
    store.write(root(1, "r1", status="paused"))
    run = store.run("r1")
    assert RunStatus.COMPLETED == run.status
    assert (BASE_NS + MS, BASE_NS + 51 * MS) == (run.start_time_ns, run.end_time_ns)


def test_usage_that_a_span_repeats_of_those_below_counts_once(store: Store) -> None:
    store.write(
        root(1, "r1", tokens=300, cost_usd=0.5),
        step(2, 1, 0, run_id="r1", tokens=100, cost_usd=0.25),
        record(3, 2, run_id="r1", name="agent", tokens=100),
        record(4, 3, run_id="r1", name="chat", tokens=60),
        record(5, 3, run_id="r1", name="chat", tokens=40),
        step(6, 1, 1, run_id="r1", tokens=200, cost_usd=0.25),
    )
    run = store.run("r1")
    assert (300, 0.5) == (run.total_tokens, run.total_cost_usd)


def test_usage_without_any_is_unknown_not_zero(store: Store) -> None:
    store.write(record(1))
    assert (None, None) == (store.run(TRACE).total_tokens, store.run(TRACE).total_cost_usd)


def test_a_paused_run_that_went_on_is_not_still(store: Store) -> None:
    store.write(root(1, "r1", status="paused"))
    where = RunFilter(status="paused", still=True)
    assert ["r1"] == [run.run_id for run in store.runs(where)]
    store.write(record(12, 1, run_id="r1"))
    assert [] == store.runs(where)
    assert ["r1"] == [run.run_id for run in store.runs(RunFilter(status="paused"))]


def test_a_run_without_a_root_has_failed_where_a_span_that_moved_to_it_failed(
    store: Store,
) -> None:
    store.write(record(3, 2, status="failed"))
    store.write(record(2, 1, run_id="r1"))
    assert RunStatus.FAILED == store.run("r1").status


def test_usage_goes_with_a_span_that_moves(store: Store) -> None:
    store.write(record(3, 2, tokens=5, cost_usd=0.5), record(9, 8, tokens=1))
    store.write(root(2, "r1"))
    assert (5, 0.5) == (store.run("r1").total_tokens, store.run("r1").total_cost_usd)
    assert (1, None) == (store.run(TRACE).total_tokens, store.run(TRACE).total_cost_usd)


def test_usage_of_any_size_blocks_nothing(store: Store) -> None:
    store.write(record(1), record(2, 1, tokens=1 << 62), record(3, 1, tokens=1 << 62))
    assert 3 == store.run(TRACE).span_count
    assert store.run(TRACE).total_tokens >= 1 << 62


def test_an_older_root_that_comes_late_gives_the_run_its_start(store: Store) -> None:
    store.write(root(50, "r1"))
    store.write(root(1, "r1", status="paused"))
    run = store.run("r1")
    assert (BASE_NS + MS, RunStatus.COMPLETED) == (run.start_time_ns, run.status)


def test_runs_are_listed_newest_first_and_filtered(store: Store) -> None:
    for number in range(1, 6):
        trace = f"{number:032x}"
        status = "failed" if number % 2 else "completed"
        store.write(record(number, trace_id=trace, name=f"p{number % 2}", status=status))
    reader = store.make_reader()

    def listed(limit: int = 10, **where: Any) -> list[str]:
        return [run.run_id[-1] for run in reader.list_runs(RunFilter(**where), limit)]

    assert ["5", "4", "3", "2", "1"] == listed()
    assert ["5", "4"] == listed(2)
    assert ["5", "3", "1"] == listed(status="failed")
    assert ["4", "2"] == listed(pipeline="p0")
    assert ["5", "4"] == listed(since_ns=BASE_NS + 4 * MS)
    assert 3 == reader.count_runs(RunFilter(status="failed"))
    reader.close()


def test_runs_are_filtered_by_when_they_started(store: Store) -> None:
    for number in range(1, 4):
        store.write(root(number, f"r{number}"))
    window = RunFilter(since_ns=BASE_NS + 2 * MS, until_ns=BASE_NS + 2 * MS)
    assert ["r2"] == [run.run_id for run in store.runs(window)]


def test_a_root_says_what_its_run_began_in_and_who_sent_it(store: Store) -> None:
    outer, inner = root(1, "outer"), root(3, "inner", parent=2, name="rank", resource_id=7)
    resource = Resource(7, '{"service.name": "shop"}', "", b"")
    store.writer.write(Batch([inner, record(4, 3), record(2, 1), outer], (resource,)))
    store.write(record(9, 8, trace_id=OTHER_TRACE))
    expected = {
        "outer": Root("pipeline_run", span_id(1), TRACE, None, {}),
        "inner": Root("rank", span_id(3), TRACE, "outer", {"service.name": "shop"}),
        OTHER_TRACE: Root("span-9", span_id(9), OTHER_TRACE, None, {}),
    }
    assert expected == store.roots(["outer", "inner", OTHER_TRACE, "nobody"])


def test_a_run_began_in_its_own_trace_where_another_has_spans_of_the_same_ids(
    store: Store,
) -> None:
    store.write(root(1, "stranger"))
    store.write(root(2, "inner", parent=1, trace_id=OTHER_TRACE))
    assert store.roots(["inner"])["inner"].outer_run_id is None
    store.write(root(1, "outer", trace_id=OTHER_TRACE))
    assert "outer" == store.roots(["inner"])["inner"].outer_run_id


def test_of_a_run_that_was_resumed_the_first_root_tells_what_it_began_in(store: Store) -> None:
    store.write(root(1, "outer"), record(2, 1))
    store.write(root(3, "inner", parent=2, name="first"), record(4, 3))
    store.write(root(5, "inner", parent=4, name="again"))
    assert Root("first", span_id(3), TRACE, "outer", {}) == store.roots(["inner"])["inner"]


def test_the_spans_of_roots_come_whole_by_their_run(store: Store) -> None:
    asked = {"url.full": "http://a/b"}
    store.write(root(1, "r1", more=asked, name="GET"), record(2, 1), root(3, "r2"), root(4, "r3"))
    reader = store.make_reader()
    roots = reader.roots(["r1", "r2"])
    found = reader.root_spans([*roots.values(), roots["r2"]._replace(span_id="nobody")])
    assert {"r1": "GET", "r2": "pipeline_run"} == {key: span.name for key, span in found.items()}
    assert asked.items() <= found["r1"].attributes.items()
    assert {} == reader.root_spans([])
    reader.close()


def test_spans_are_found_by_their_ids_in_their_own_run_alone(store: Store) -> None:
    store.write(root(1, "r1"), record(2, 1), record(3, 1), root(4, "r2"))
    reader = store.make_reader()
    where = SpanFilter(span_ids=(span_id(3), span_id(4), "nobody"))
    assert ["span-3"] == [span.name for span in reader.spans("r1", where)]
    reader.close()


def test_plain_spans_are_found_directly_beneath_others(store: Store) -> None:
    store.write(root(1, "r1"), step(2, 1, 0), record(3, 1), record(4, 2), record(5, 3))
    store.write(root(6, "r2", parent=1), record(7, 6))
    reader = store.make_reader()
    where = SpanFilter(plain_beneath=(span_id(1), span_id(2), span_id(6)))
    assert ["span-3", "span-4"] == [span.name for span in reader.spans("r1", where)]
    reader.close()


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (SpanFilter(first=2), ["span-1", "span-4"]),
        (SpanFilter(status="failed", first=1), ["span-3"]),
        (SpanFilter(name="span-4", first=3), ["span-4"]),
        (SpanFilter(plain_beneath=(span_id(1),), first=2), ["span-4", "span-3"]),
        (SpanFilter(plain_beneath=(span_id(1),)), ["span-4", "span-3", "span-2"]),
        (SpanFilter(span_ids=(span_id(2), span_id(3)), first=0), []),
    ],
)
def test_the_first_of_the_spans_are_those_that_started_first(
    store: Store, where: SpanFilter, names: list[str]
) -> None:
    at = [BASE_NS + offset * MS for offset in range(4)]
    store.write(
        record(1, start_time_ns=at[0]),
        record(2, 1, start_time_ns=at[3], status="failed"),
        record(3, 1, start_time_ns=at[2], status="failed"),
        record(4, 1, start_time_ns=at[1]),
    )
    reader = store.make_reader()
    assert names == [span.name for span in reader.spans(TRACE, where)]
    assert len(names) == reader.count_spans(TRACE, where)
    reader.close()


def test_more_plain_spans_than_a_page_has(store: Store) -> None:
    numbers = range(2, 4_503)
    store.write(record(1), *(record(number, 1) for number in numbers))
    reader = store.make_reader()
    where = SpanFilter(plain_beneath=(span_id(1),))
    assert [f"span-{n}" for n in numbers] == [span.name for span in reader.spans(TRACE, where)]
    reader.close()


def test_prefixes_name_runs(store: Store) -> None:
    for run_id in ("abb", "abc1", "abc2", "b", "bc"):
        store.write(root(1, run_id, trace_id=run_id.encode().hex().rjust(32, "0")))
    reader = store.make_reader()
    assert {"abc1", "abc2"} == {run.run_id for run in reader.runs_with_prefix("abc", 10)}
    expected = {"abc1": 4, "b": 1, "bc": 2, "ac": 2}  # the last is not here
    assert expected == reader.unique_prefixes(list(expected))
    assert {} == reader.unique_prefixes([])
    reader.close()


def test_a_run_whose_process_is_gone_has_died(store: Store, dead_process_writes: Any) -> None:
    dead_process_writes(store, record(1, status="running"), record(2, 1))
    run = store.run(TRACE)
    assert RunStatus.DIED == run.status
    assert run.last_time_ns >= BASE_NS + 3 * MS
    assert run.writer is not None
    assert [TRACE] == [r.run_id for r in store.runs(RunFilter(status="died"))]
    assert [] == store.runs(RunFilter(status="running"))
    assert 1 == len(store.runs())


def test_a_died_run_lived_at_least_until_its_process_was_last_seen(
    store: Store, dead_process_writes: Any
) -> None:
    before_ns = time.time_ns()
    dead_process_writes(store, record(1, status="running"))
    assert store.run(TRACE).last_time_ns > before_ns > BASE_NS + 2 * MS


def test_to_write_is_to_be_seen(store: Store) -> None:
    """Without a beat: a process that writes all the time makes none."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            writer = store.make_writer()
            writer.write(Batch([record(1, status="running")]))
            time.sleep(0.05)
            os.write(tell, str(time.time_ns()).encode())
            writer.write(Batch([record(2, 1)]))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    latest_write_ns = int(os.read(told, 64))
    os.close(told)
    os.close(tell)
    assert store.run(TRACE).last_time_ns >= latest_write_ns


def test_whoever_goes_on_with_a_run_has_it_from_then_on(
    store: Store, dead_process_writes: Any
) -> None:
    dead_process_writes(store, root(1, "r1", status="paused"))
    store.write(root(50, "r1"))
    assert os.getpid() == store.run("r1").writer.pid


def test_a_process_that_only_adds_to_a_run_does_not_become_its_writer(
    store: Store, dead_process_writes: Any
) -> None:
    store.write(record(1, status="running"))
    dead_process_writes(store, record(2, 1), record(3, 1, status="running"))
    run = store.run(TRACE)
    assert (RunStatus.RUNNING, os.getpid()) == (run.status, run.writer.pid)


def test_a_finished_run_keeps_its_writer(store: Store, dead_process_writes: Any) -> None:
    dead_process_writes(store, record(1), record(2, 1))
    store.write(record(3, 1))
    run = store.run(TRACE)
    assert RunStatus.COMPLETED == run.status
    assert run.writer is not None
    assert os.getpid() != run.writer.pid


def test_statistics_are_per_name_over_ended_spans(store: Store) -> None:
    store.write(
        record(1, name="a", status="running"),
        *(record(n, 1, name="b", end_time_ns=BASE_NS + n * MS + n * 1000) for n in range(2, 102)),
        record(200, 1, name="c", status="failed"),
    )
    reader = store.make_reader()
    b, c = sorted(reader.statistics(None, None, None, 4), key=lambda row: row.name)
    assert ("b", 100, 0) == (b.name, b.count, b.error_count)
    assert abs(b.p50_ns - 51_000) < 500
    assert abs(b.p99_ns - 100_000) < 500
    assert (1, 1) == (c.count, c.error_count)
    assert [] == reader.statistics("no such pipeline", None, None, 4)
    assert 100 == sum(b.buckets)
    reader.close()


def test_statistics_take_a_span_from_the_first_time_there_is_to_the_last(store: Store) -> None:
    longest_ns = (1 << 63) - 2
    store.write(record(1, start_time_ns=0, end_time_ns=longest_ns))
    reader = store.make_reader()
    [row] = reader.statistics(None, None, None, 4)
    assert longest_ns == pytest.approx(row.total_ns)
    reader.close()
