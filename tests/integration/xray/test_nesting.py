"""What hangs under what, by `with`, in tasks and in threads; and what is current afterwards."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace as otel

from flujo_otel.xray import CarryingThreadPoolExecutor, carry
from support.xray import Way


def test_steps_nest_by_step_step_and_where_they_run(way: Way) -> None:
    with way.xray.trace("workflow") as trace:
        with trace.step("a") as a:
            with a.step("b") as b, b.step("c"):
                pass
            with trace.step("d"):
                pass
        with trace.step("e"):
            pass
    expected = {"a": "workflow", "b": "a", "c": "b", "d": "a", "e": "workflow"}
    assert expected == way.parents(trace)
    assert list("abcde") == [step.name for step in way.kept(trace).steps]


def test_spans_of_libraries_inside_a_step_hang_under_it(way: Way) -> None:
    tracer = otel.get_tracer("library")
    with way.xray.trace("workflow") as trace, trace.step("one") as step:
        with tracer.start_as_current_span("call") as call:
            context = call.get_span_context()
        facts = step.step._span
    assert facts is not None
    assert (facts.trace_id, facts.span_id) == (
        f"{context.trace_id:032x}",
        f"{call.parent.span_id:016x}",  # type: ignore[attr-defined]
    )


def test_two_traces_in_one_opentelemetry_trace_stay_two(way: Way) -> None:
    with otel.get_tracer("program").start_as_current_span("outer"):
        with way.xray.trace("first") as first, first.step("one"):
            pass
        with way.xray.trace("second") as second, second.step("two"):
            pass
    assert [["one"], ["two"]] == [[s.name for s in way.kept(t).steps] for t in (first, second)]


def test_what_was_current_is_current_again(way: Way) -> None:
    with otel.get_tracer("program").start_as_current_span("outer") as outer:
        with way.xray.trace("workflow") as trace, trace.step("one"):
            assert otel.get_current_span() is not outer
        assert otel.get_current_span() is outer


def test_blocks_may_be_left_in_any_order(way: Way) -> None:
    before = otel.get_current_span()
    trace = way.xray.trace("workflow")
    trace.__enter__()
    a, b = trace.step("a"), trace.step("b")
    a.__enter__()
    b.__enter__()
    trace.__exit__(None, None, None)
    a.__exit__(None, None, None)
    b.__exit__(None, None, None)
    assert before is otel.get_current_span()
    assert ["completed", "completed"] == [step.status for step in way.kept(trace).steps]


def test_entering_and_leaving_twice_changes_nothing(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("one") as step, step:
        pass
    assert ["one"] == [each.name for each in way.kept(trace).steps]
    step.__exit__(None, None, None)
    trace.__exit__(None, None, None)


async def test_async_with_and_tasks(way: Way) -> None:
    @way.xray.step
    async def work(number: int) -> int:
        await asyncio.sleep(0.01 * (3 - number))
        return number

    async with way.xray.trace("workflow") as trace, trace.step("all"):
        assert [0, 1, 2] == await asyncio.gather(*(work(number) for number in range(3)))
        await asyncio.to_thread(lambda: trace.step("in a thread").__enter__().finish())
    parents = way.parents(trace)
    assert {"workflow", "all"} == set(parents.values())
    assert "all" == parents["in a thread"]
    assert [{"value": n} for n in range(3)] == [
        step.output for step in way.kept(trace).steps if step.name == "work"
    ]


def test_threads_and_executors_with_and_without_help(way: Way) -> None:
    with way.xray.trace("workflow") as trace, trace.step("parent"):

        def named(name: str) -> None:
            with way.xray.step(name):
                pass

        with CarryingThreadPoolExecutor(2) as pool:
            list(pool.map(named, ["pool 1", "pool 2"]))
            pool.submit(named, "pool 3").result()
        with ThreadPoolExecutor(2) as plain:
            list(plain.map(carry(named), ["carried 1", "carried 2"]))

        def alone() -> None:
            with trace.step("alone"):
                pass

        thread = threading.Thread(target=alone)
        thread.start()
        thread.join()
    parents = way.parents(trace)
    assert "workflow" == parents.pop("alone")
    assert {"parent"} == {parents[name] for name in parents if name != "parent"}
    assert 7 == len(way.kept(trace).steps)


def test_an_async_function_is_carried_into_another_threads_event_loop(way: Way) -> None:
    async def named(name: str) -> str:
        with way.xray.step(name):
            await asyncio.sleep(0)
        return name

    with way.xray.trace("workflow") as trace, trace.step("all"):
        carried = carry(named)
        with ThreadPoolExecutor(1) as pool:
            assert "far" == pool.submit(lambda: asyncio.run(carried("far"))).result()
    assert {"all": "workflow", "far": "all"} == way.parents(trace)


def test_many_threads_at_once(way: Way) -> None:
    def many(worker: int) -> None:
        for number in range(20):
            with trace.step(f"{worker}.{number}") as step:
                step.add_evaluation("i", {}, [], True)

    with way.xray.trace("workflow") as trace:
        threads = [threading.Thread(target=many, args=(worker,)) for worker in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    steps = way.kept(trace).steps
    assert 100 == len({step.name for step in steps}) == len(steps)
    assert list(range(100)) == [step.step_order for step in steps]
