"""`pipeline_result.trace_tree` holds the finished tree; flujo's own persistence keeps working."""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flujo import Flujo

from support.flujo_runs import FLUJO, Traced, last_of
from support.flujo_steps import adds, call, loop, pipe, sour


def drawn(node: Any, depth: int = 0) -> str:
    line = "  " * depth + f"{node.name} {node.status}"
    return "\n".join([line, *(drawn(child, depth + 1) for child in node.children)])


def climb() -> Any:
    return adds("first") >> loop("climb", adds("up"), until=lambda out, _: out >= 3)


def test_by_instrumentor_it_has_the_nested_steps(instrumented: Traced) -> None:
    result = instrumented.run(climb())
    assert drawn(result.trace_tree) == (
        "pipeline_run completed\n"
        "  first completed\n"
        "  climb completed\n"
        "    up completed\n"
        "    up completed"
    )


def test_by_hook_it_has_the_top_level_steps(hooked: Traced) -> None:
    result = hooked.run(climb())
    assert drawn(result.trace_tree) == (
        "pipeline_run completed\n  first completed\n  climb completed"
    )


def test_it_is_there_after_the_synchronous_run_too(traced: Traced) -> None:
    result = traced.runner(adds("one") >> adds("two")).run(0)
    assert drawn(result.trace_tree) == "pipeline_run completed\n  one completed\n  two completed"


def test_its_nodes_say_what_the_spans_say(traced: Traced) -> None:
    result = traced.run(pipe(adds("one")))
    (node,) = result.trace_tree.children
    span = traced.named("one")
    content = {"input.value", "input.mime_type", "output.value", "output.mime_type"}
    assert node.attributes == {
        name: value for name, value in span.attributes.items() if name not in content
    }
    assert node.span_id == f"{span.context.span_id:016x}"
    assert node.parent_span_id == result.trace_tree.span_id
    assert abs(node.start_time - span.start_time / 1e9) < 60
    assert node.start_time <= node.end_time


def test_a_failed_run_s_tree(traced: Traced) -> None:
    result = traced.run(pipe(call(sour, "bad", max_retries=1)))
    assert drawn(result.trace_tree) == "pipeline_run failed\n  bad failed"


def test_concurrent_runs_on_one_runner_have_each_their_own(instrumented: Traced) -> None:
    async def main() -> list[Any]:
        async def doze(x: int) -> int:
            await asyncio.sleep(0.01 * x)
            return x

        runner = instrumented.runner(call(doze, "doze") >> adds("after"))
        return list(
            await asyncio.gather(*(last_of(runner.run_async(number)) for number in (3, 1, 2)))
        )

    results = instrumented.drive(main)
    ids = [result.trace_tree.attributes["flujo.run_id"] for result in results]
    assert ids == [result.final_pipeline_context.run_id for result in results]
    for result in results:
        assert drawn(result.trace_tree) == (
            "pipeline_run completed\n  doze completed\n  after completed"
        )
        (doze, _) = result.trace_tree.children
        assert doze.attributes["flujo.run_id"] == result.trace_tree.attributes["flujo.run_id"]


def test_a_plain_flujo_with_its_own_database(
    traced: Traced,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.ERROR):
        result = Flujo(climb(), hooks=list(traced.hooks), pipeline_name="demo").run(0)
    assert [step.success for step in result.step_history] == [True, True]
    assert [entry.getMessage() for entry in caplog.records if entry.levelname == "ERROR"] == []
    run_id = result.final_pipeline_context.run_id
    assert flujo_reads_back(tmp_path, run_id) == ("completed", "pipeline_r")
    assert [span.name for span in traced.spans][:2] == ["pipeline_run", "first"]


def flujo_reads_back(folder: Path, run_id: str) -> tuple[str, str]:
    """The run's status, and the start of its root span's name, by flujo's own reader."""
    from flujo.state.backends.sqlite import SQLiteBackend

    (path,) = [each for each in folder.rglob("*.db") if run_in(each, run_id)]

    async def read() -> tuple[str, str]:
        backend = SQLiteBackend(path)
        details = await backend.get_run_details(run_id)
        trace = await backend.get_trace(run_id)
        if hasattr(backend, "shutdown"):
            await backend.shutdown()
        return details["status"], trace["name"][:10]

    return asyncio.run(read())


def run_in(path: Path, run_id: str) -> bool:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    connection.close()
    return found is not None


def test_the_versions_under_test_are_the_two_that_are_meant() -> None:
    assert FLUJO in ((0, 4), (0, 6))
