"""The code that DecisionTrace X-Ray's documentation prints runs as printed.

`samples/` holds it, cut out of the document by its section numbers. The one change is the import
name; where the document itself leaves something out (`...`, or a name that it never defines), the
test says what it puts there.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flujo_otel
from flujo_otel import Step, Trace, XRay
from flujo_otel.storage.sqlite import SQLiteStorage

SAMPLES = Path(__file__).parent / "samples"


def printed(name: str) -> str:
    return (SAMPLES / name).read_text().replace("decisiontrace", "flujo_otel")


def run(name: str, source: str | None = None, **names: Any) -> dict[str, Any]:
    exec(compile(source or printed(name), name, "exec"), names)
    return names


SDK_TESTS = run("12_1_1_sdk_tests.py.txt")


@pytest.mark.parametrize("name", [name for name in SDK_TESTS if name.startswith("test_")])
def test_the_sdk_s_tests_pass(name: str) -> None:
    SDK_TESTS[name]()


def test_there_are_four_of_them() -> None:
    assert 4 == sum(name.startswith("test_") for name in SDK_TESTS)


def storage_tests() -> dict[str, Callable[[], None]]:
    """`Trace(trace_id="test-123", ...)` is no Python: nothing is put for the `...`, so that every
    field that the test does not give has a default."""
    source = printed("12_1_2_storage_tests.py.txt").replace(", ...)", ")")
    names = run(
        "12.1.2", source, SQLiteStorage=SQLiteStorage, Trace=Trace, Step=Step, datetime=datetime
    )
    return {name: value for name, value in names.items() if name.startswith("test_")}


@pytest.mark.parametrize("name", ["test_sqlite_save_and_retrieve", "test_foreign_key_cascade"])
def test_the_storage_s_tests_pass(name: str) -> None:
    storage_tests()[name]()


def test_basic_usage_is_kept_without_configuring_anything(traced: Any) -> None:
    names = run("6_3_1_basic_usage.py.txt", do_something=lambda: 42)
    kept = traced.storage().get_trace(names["trace"].trace.trace_id)
    assert ("my-workflow", "completed") == (kept.name, kept.status)
    [step] = kept.steps
    assert ("step1", {"query": "test"}, {"result": 42}, "Explanation of decision") == (
        step.name,
        step.input,
        step.output,
        step.reasoning,
    )


def test_the_filter_evaluation_pattern_comes_back_as_metadata(storage: SQLiteStorage) -> None:
    candidates = [{"id": "B1", "price": 12}, {"id": "B2", "price": 80}]
    with XRay(storage=storage).trace("filters") as trace:
        run(
            "6_3_2_filter_evaluation.py.txt",
            trace=trace,
            candidates=candidates,
            check_price=lambda candidate: candidate["price"] < 50,
            check_rating=lambda candidate: True,
        )
    [step] = storage.get_trace(trace.trace.trace_id).steps
    assert ["B1", "B2"] == [each["item_id"] for each in step.metadata["evaluations"]]
    assert [True, False] == [each["qualified"] for each in step.metadata["evaluations"]]
    assert candidates[1] == step.metadata["evaluations"][1]["item_data"]
    assert {"passed": 1, "failed": 1} == step.output


def test_the_llm_call_pattern_comes_back_as_metadata(storage: SQLiteStorage) -> None:
    response = SimpleNamespace(text="hello", usage=SimpleNamespace(total_tokens=7))
    llm = SimpleNamespace(generate=lambda prompt, temperature: response)
    with XRay(storage=storage).trace("llm") as trace:
        run("6_3_3_llm_call.py.txt", trace=trace, llm=llm, prompt="say hello")
    [step] = storage.get_trace(trace.trace.trace_id).steps
    assert {"model": "gpt-4", "tokens_used": 7, "temperature": 0.7} == step.metadata["llm"]
    assert {"text": "hello"} == step.output


def test_a_trace_inside_an_opentelemetry_span_hangs_under_it(traced: Any) -> None:
    names = run("17_1_1_distributed_tracing.py.txt", xray=XRay())
    trace = names["xray_trace"].trace
    outer = f"{trace._span.trace_id}"
    storage = traced.storage()
    assert "workflow" == storage.get_trace(trace.trace_id).name
    parents = dict(
        storage.conn.execute(
            "SELECT name, otel_parent_id FROM spans WHERE trace_id = ?", (outer,)
        ).fetchall()
    )
    assert {"workflow-execution", "workflow"} == set(parents)
    assert parents["workflow-execution"] is None
    assert trace._span.parent_id == parents["workflow"]


def test_sampling_and_rate_limit_are_given_as_printed() -> None:
    assert isinstance(run("17_1_6_sampling.py.txt", XRay=XRay)["xray"], XRay)


def test_remote_submission_is_given_as_printed() -> None:
    usage = printed("17_1_7_remote_submission.py.txt").partition("# Usage\n")[2]
    assert isinstance(run("17.1.7", usage, XRay=XRay)["xray"], XRay)


def test_old_traces_are_deleted_by_the_printed_statement(storage: SQLiteStorage) -> None:
    now = datetime.now()
    for name, age in (("old", timedelta(days=31)), ("new", timedelta(days=29))):
        storage.save_trace(Trace(trace_id=name, start_time=now - age, status="completed"))
        storage.save_step(Step(trace_id=name, start_time=now - age))
    storage.conn.execute(printed("11_2_3_retention.sql.txt"))
    assert ["new"] == [trace.trace_id for trace in storage.get_all_traces()]
    assert [("new",)] == storage.conn.execute("SELECT trace_id FROM steps").fetchall()


@pytest.mark.parametrize(
    ("model", "schema"), [(Trace, "b_1_trace_schema.json.txt"), (Step, "b_2_step_schema.json.txt")]
)
def test_the_models_have_the_fields_of_appendix_b_in_its_order(
    model: type[Trace] | type[Step], schema: str
) -> None:
    assert list(json.loads(printed(schema))) == list(model.model_fields)


def test_the_printed_trace_comes_back_as_it_was_sent(storage: SQLiteStorage) -> None:
    """Its durations are not what its times say, and are kept all the same."""
    document = json.loads(
        printed("8_2_3_trace.json.txt").replace("[...]", "[]").replace("{...}", "{}")
    )
    storage.save_trace(Trace.model_validate(document))
    kept = storage.get_trace("abc-123").model_dump(mode="json")
    assert document == kept


def test_the_facade_s_names_are_those_of_the_seed() -> None:
    assert (XRay, Trace, Step) == (flujo_otel.XRay, flujo_otel.Trace, flujo_otel.Step)
