"""Whole programs that use the SDK: what they need not do, and what does not harm them."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from flujo_otel import Step, Trace, XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.storage.storage_backend import StorageBackend
from support.backends import wait_until
from support.programs import finish, is_sound, losses, query, run, start, wait_for_spans

IMPORTS = """
import os, signal, sys, threading, time
from flujo_otel import XRay
from flujo_otel.storage.sqlite import SQLiteStorage
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def names(db: Path) -> list[str]:
    return sorted(trace.name for trace in SQLiteStorage(db).get_all_traces())


def test_a_bare_xray_needs_no_configure_and_no_close(db: Path) -> None:
    program = """
    with XRay().trace("workflow") as trace, trace.step("one") as step:
        step.set_output({"a": 1})
    """
    assert ("", "") == run(db, program, prelude=IMPORTS)
    [trace] = SQLiteStorage(db).get_all_traces()
    assert ("workflow", [{"a": 1}]) == (trace.name, [step.output for step in trace.steps])


def test_close_waits_until_all_is_kept(db: Path) -> None:
    program = """
    xray = XRay()
    with xray.trace("workflow") as trace:
        pass
    xray.close()
    assert SQLiteStorage().get_trace(trace.trace.trace_id).status == "completed"
    os.kill(os.getpid(), signal.SIGKILL)
    """
    run(db, program, prelude=IMPORTS, status=-signal.SIGKILL)
    assert ["workflow"] == names(db)


def test_a_provider_of_the_program_s_own_is_joined(db: Path) -> None:
    program = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
    with XRay().trace("workflow"), trace.get_tracer("library").start_as_current_span("call"):
        pass
    """
    run(db, program, prelude=IMPORTS)
    assert ["workflow"] == names(db)
    assert [("call",), ("workflow",)] == query(db, "SELECT name FROM spans ORDER BY name")


def test_a_provider_that_is_not_the_sdks_is_said_once_to_keep_nothing(db: Path) -> None:
    program = """
    from opentelemetry import trace
    trace.set_tracer_provider(trace.NoOpTracerProvider())
    xray = XRay()
    for _ in range(3):
        with xray.trace("workflow"):
            pass
    """
    output, errors = run(db, program, prelude=IMPORTS)
    assert ("", 1) == (output, errors.count("is a NoOpTracerProvider, not the OpenTelemetry SDK's"))


def test_a_file_that_the_program_chose_by_configure_is_the_one(db: Path) -> None:
    program = """
    import flujo_otel
    flujo_otel.configure("chosen.db")
    with XRay().trace("workflow"):
        pass
    """
    run(db, program, prelude=IMPORTS)
    assert ["workflow"] == names(db.with_name("chosen.db"))
    assert not db.exists()


OWN_PROVIDER = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
"""


@pytest.mark.parametrize("provider", ["", OWN_PROVIDER], ids=["none", "own"])
def test_losses_that_were_counted_before_are_not_taken_for_tracing(db: Path, provider: str) -> None:
    program = f"""{provider}
    limited = XRay(remote_url="http://127.0.0.1:9", rate_limit=0)
    with limited.trace("one too many"):
        pass
    limited.close()
    with XRay().trace("workflow"):
        pass
    """
    run(db, program, prelude=IMPORTS)
    assert ["workflow"] == names(db)
    assert {"rate_limited": 1} == losses(db)


def test_a_local_provider_that_writes_here_is_not_taken_for_the_global_one(db: Path) -> None:
    program = """
    from flujo_otel import LiveSpanProcessor, SQLiteSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    local = TracerProvider()
    local.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter("chosen.db")))
    with local.get_tracer("library").start_as_current_span("call"):
        pass
    with XRay().trace("workflow"):
        pass
    """
    run(db, program, prelude=IMPORTS)
    chosen = db.with_name("chosen.db")
    assert [("call",), ("workflow",)] == query(chosen, "SELECT name FROM spans ORDER BY name")
    assert not db.exists()


def test_what_went_in_is_seen_though_the_process_was_killed(db: Path) -> None:
    program = """
    with XRay().trace("workflow") as trace, trace.step("hangs") as step:
        step.set_input({"question": "why"})
        time.sleep(60)
    """
    process = start(db, program, prelude=IMPORTS)
    wait_for_spans(db)
    wait_until(lambda: query(db, "SELECT 1 FROM spans WHERE name = 'hangs'") != [], "it is seen")
    process.kill()
    process.communicate()
    [trace] = SQLiteStorage(db).get_all_traces(status="failed")
    assert [("hangs", "running", {"question": "why"})] == [
        (step.name, step.status, step.input) for step in trace.steps
    ]


def test_a_control_c_is_kept(db: Path) -> None:
    program = """
    try:
        with XRay().trace("workflow") as trace, trace.step("long"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted")
    """
    assert ("interrupted\n", "") == run(db, program, prelude=IMPORTS)
    [trace] = SQLiteStorage(db).get_all_traces()
    assert ("failed", "KeyboardInterrupt") == (trace.status, trace.steps[0].error)


def test_forked_children_record_on(db: Path) -> None:
    program = """
    import multiprocessing
    xray = XRay()

    def work(number):
        with xray.trace(f"child {number}") as trace, trace.step("one"):
            pass

    with xray.trace("parent") as trace, trace.step("fork"):
        make = multiprocessing.get_context("fork").Process
        children = [make(target=work, args=(number,)) for number in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    """
    run(db, program, prelude=IMPORTS)
    assert [*(f"child {number}" for number in range(4)), "parent"] == names(db)
    assert is_sound(db)


HALFWAY = """
    from flujo_otel.bootstrap import program
    xray = XRay()
    first = program.rates_of

    def halfway(chosen):
        program.rates_of = first
        interrupt()
        return first(chosen)

    program.rates_of = halfway
"""


def test_what_interrupts_the_first_trace_may_trace(db: Path) -> None:
    """A signal's handler, or a finalizer that the garbage collector runs."""
    program = f"""{HALFWAY}
    def interrupt():
        with xray.trace("too early"), xray.step("s"):
            program.configure()

    with xray.trace("first"):
        pass
    """
    assert ("", "") == run(db, program, prelude=IMPORTS)
    assert ["first"] == names(db)


def test_a_child_that_is_forked_during_the_first_trace_of_another_thread_traces(db: Path) -> None:
    program = f"""{HALFWAY}
    is_halfway, may_go_on = threading.Event(), threading.Event()

    def interrupt():
        is_halfway.set()
        may_go_on.wait(20)

    def work(name):
        with xray.trace(name):
            pass
        xray.close()

    thread = threading.Thread(target=work, args=("parent",))
    thread.start()
    is_halfway.wait(20)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        work("child")
        os._exit(0)
    print(os.waitpid(child, 0)[1])
    may_go_on.set()
    thread.join()
    """
    assert ("0\n", "") == run(db, program, prelude=IMPORTS)
    assert ["child", "parent"] == sorted(names(db))


def test_what_only_was_dropped_is_in_the_ledger_all_the_same(db: Path) -> None:
    program = """
    xray = XRay(sampling_rate=0.0)
    for _ in range(3):
        with xray.trace("workflow"):
            pass
    """
    run(db, program, prelude=IMPORTS)
    assert {"sampled_out": 3} == losses(db)


def test_what_was_dropped_is_in_the_ledger_whatever_ends_first(db: Path) -> None:
    """Finalizers run last of all where somebody made one before us."""
    program = """
    xray = XRay(sampling_rate=0.0)
    with xray.trace("workflow"):
        pass
    """
    early = "import weakref\nclass Early: pass\nearly = Early()\nweakref.finalize(early, int)\n"
    run(db, program, prelude=early + IMPORTS)
    assert {"sampled_out": 1} == losses(db)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_a_child_of_multiprocessing_dropped_is_in_the_ledger(db: Path, method: str) -> None:
    program = f"""
    import multiprocessing

    def work():
        with XRay(sampling_rate=0.0).trace("workflow"):
            pass

    if __name__ == "__main__":
        child = multiprocessing.get_context("{method}").Process(target=work)
        child.start()
        child.join()
        print(child.exitcode)
    """
    assert ("0\n", "") == run(db, program, prelude=IMPORTS)
    assert {"sampled_out": 1} == losses(db)


@pytest.mark.parametrize(
    "variables",
    [
        {"FLUJO_OTEL_DB": "/proc/nowhere/spans.db"},
        {"FLUJO_OTEL_DB": "https://host/spans.db"},
        {"FLUJO_OTEL_QUEUE_BYTES": "many"},
        {"OTEL_SDK_DISABLED": "true"},
    ],
    ids=str,
)
def test_the_default_never_breaks_the_program(db: Path, variables: dict[str, str]) -> None:
    program = """
    xray = XRay()
    with xray.trace("workflow") as trace, trace.step("one") as step:
        step.set_input({"a": 1})
        assert step.step.input == {"a": 1}
    xray.close()
    print(trace.trace.status)
    """
    output, errors = run(db, program, prelude=IMPORTS, FLUJO_OTEL_RAISE="0", **variables)
    assert "completed\n" == output
    assert "Traceback" not in errors


class Failing(StorageBackend):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def save_trace(self, trace: Trace) -> None:
        if self.where == f"{trace.status} trace":
            raise OSError(self.where)

    def save_step(self, step: Step) -> None:
        if self.where == "step":
            raise OSError(self.where)

    def get_trace(self, trace_id: str) -> Trace | None:
        return None

    def get_all_traces(self, limit: int = 100, status: str | None = None) -> list[Trace]:
        return []


@pytest.mark.parametrize("where", ["running trace", "step", "completed trace"])
def test_a_storage_that_was_passed_in_raises_its_errors(where: str) -> None:
    from opentelemetry import trace as otel

    before = otel.get_current_span()
    with (
        pytest.raises(OSError, match=where),
        XRay(storage=Failing(where)).trace("workflow") as trace,
        trace.step("one"),
    ):
        pass
    assert before is otel.get_current_span()


def test_a_storage_s_error_hides_no_other() -> None:
    with (
        pytest.raises(OSError, match="step") as caught,
        XRay(Failing("step")).trace("t") as trace,
        trace.step("one"),
    ):
        raise ValueError("the first")
    assert isinstance(caught.value.__context__, ValueError)


def test_a_storage_of_one_s_own_gets_the_seed_s_calls() -> None:
    calls: list[Any] = []

    class Noting(Failing):
        def save_trace(self, trace: Trace) -> None:
            calls.append(("trace", trace.status, [step.name for step in trace.steps]))

        def save_step(self, step: Step) -> None:
            calls.append(("step", step.status, step.name))

    with XRay(storage=Noting("")).trace("workflow") as trace, trace.step("one"):
        pass
    assert [
        ("trace", "running", []),
        ("step", "completed", "one"),
        ("trace", "completed", ["one"]),
    ] == calls


def test_without_content_only_models_and_usage_are_recorded(db: Path) -> None:
    program = """
    with XRay().trace("workflow") as trace, trace.step("one") as step:
        trace.set_metadata({"word": "4711"})
        step.set_input({"word": "4711"})
        step.set_output({"word": "4711"})
        step.set_reasoning("4711")
        step.add_evaluation("4711", {}, [], True)
        step.add_llm_metadata("gpt-4", tokens_used=12, own="4711")
        step.add_event("heard", {"word": "4711"})
        trace.add_event("heard", {"word": "4711"})
    """
    run(db, program, prelude=IMPORTS, FLUJO_OTEL_CONTENT="false")
    rows = query(db, "SELECT attributes FROM spans WHERE name = 'one'")
    attributes = json.loads(rows[0][0])
    assert ("gpt-4", 12) == (
        attributes["gen_ai.request.model"],
        attributes["llm.token_count.total"],
    )
    assert "4711" not in repr(query(db, "SELECT * FROM spans"))
    assert 2 == len(query(db, "SELECT 1 FROM spans WHERE events LIKE '%heard%'"))


def test_many_processes_with_storages_write_one_file(db: Path) -> None:
    program = f"""
    xray = XRay(storage=SQLiteStorage({str(db)!r}))
    for number in range(10):
        with xray.trace(f"trace {{number}}") as trace, trace.step("one"):
            pass
    """
    processes = []
    for number in range(3):
        folder = db.parent / str(number)
        folder.mkdir()
        processes.append(start(folder / "own.db", program, prelude=IMPORTS))
    for process in processes:
        assert ("", "") == finish(process)
    assert 30 == len(names(db))


def test_a_setting_that_cannot_be_used_is_said_once_and_that_nothing_is_recorded(db: Path) -> None:
    program = """
    for _ in range(2):
        with XRay().trace("workflow") as trace, trace.step("one") as step:
            step.set_output({"a": 1})
    """
    variables = {"FLUJO_OTEL_CONTENT": "perhaps", "FLUJO_OTEL_RAISE": "0"}
    [said] = run(db, program, prelude=IMPORTS, **variables)[1].splitlines()
    assert "X-Ray, which records nothing until then, failed" in said
    assert "content is 'perhaps' (FLUJO_OTEL_CONTENT)" in said


def test_a_bare_xray_traces_what_libraries_do_in_its_steps(db: Path) -> None:
    program = """
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel
    helper = Agent(TestModel())
    with XRay().trace("workflow") as trace, trace.step("ask"):
        helper.run_sync("How are you?")
    """
    run(db, program, prelude=IMPORTS)
    [[run_count]] = query(db, "SELECT COUNT(*) FROM runs")
    above = query(
        db,
        "SELECT above.name FROM spans JOIN spans above"
        " ON above.span_id = spans.parent_span_id WHERE spans.name = 'invoke_agent helper'",
    )
    assert (1, [("ask",)]) == (run_count, above)
