"""SQLiteStorage: X-Ray's storage interface over our store."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace as otel

from flujo_otel import SQLiteBackend, Step, Trace, XRay
from flujo_otel.errors import ForeignDatabase, MalformedTrace
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.storage.storage_backend import StorageBackend

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)  # more may be the number of a card
    | st.floats(allow_nan=False, allow_infinity=False)
    # Long digits and words that name secrets are redacted, which is another test's.
    | st.text("abc éß漢", max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcdef ", max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text("abcdef ", max_size=8), PLAIN, max_size=4)
TIMES = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2200, 1, 1),
    timezones=st.none() | st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30))]),
)
STATUSES = st.sampled_from(["running", "completed", "failed"])


def aged(model: type[Any], **fields: Any) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda given, lasted: model(
            **{**given, "end_time": None if lasted is None else given["start_time"] + lasted}
        ),
        st.fixed_dictionaries(
            {
                "start_time": TIMES,
                "status": STATUSES,
                "metadata": OBJECTS,
                "duration_ms": st.none() | st.integers(0, 10**9),
                **fields,
            }
        ),
        st.none() | st.timedeltas(timedelta(0), timedelta(days=1)),
    )


IDS = st.text("abc-123é:/ '", min_size=1, max_size=20)
STEPS = aged(
    Step,
    step_id=IDS,
    trace_id=st.just("t"),
    name=st.text("abc é", min_size=1, max_size=9),
    input=OBJECTS,
    output=st.none() | OBJECTS,
    reasoning=st.none() | st.text("abc é\n", max_size=20),
    error=st.none() | st.text("abc é\n", min_size=1, max_size=20),
)
TRACES = aged(Trace, trace_id=IDS, name=st.text("abc é", min_size=1, max_size=9))


@settings(max_examples=150, deadline=None)
@given(TRACES, st.lists(STEPS, max_size=4, unique_by=lambda step: step.step_id))
def test_what_is_saved_is_given_back(trace: Trace, steps: list[Step]) -> None:
    """Ids, texts, times naive and aware, durations that the times do not say: all as given."""
    storage = SQLiteStorage(":memory:")
    trace.steps = [
        step.model_copy(update={"trace_id": trace.trace_id, "step_order": place})
        for place, step in enumerate(steps)
    ]
    storage.save_trace(trace)
    assert trace == storage.get_trace(trace.trace_id)
    storage.close()


def test_it_is_a_storage_backend() -> None:
    assert issubclass(SQLiteStorage, StorageBackend)


def test_a_foreign_id_is_kept_and_answered(storage: SQLiteStorage) -> None:
    storage.save_trace(Trace(trace_id="test-123"))
    assert "test-123" == storage.get_trace("test-123").trace_id  # type: ignore[union-attr]
    assert storage.get_trace("test-12") is None


def test_where_there_is_nothing_yet_there_is_nothing(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path / "none.db")
    assert (None, []) == (storage.get_trace("x"), storage.get_all_traces())
    assert not (tmp_path / "none.db").exists()


def test_traces_are_listed_newest_first_and_filtered(storage: SQLiteStorage) -> None:
    start = datetime(2026, 1, 1)
    for number, status in enumerate(["completed", "failed", "running", "completed"]):
        at = start + timedelta(hours=number)
        storage.save_trace(Trace(trace_id=f"t{number}", start_time=at, status=status))
        storage.save_step(Step(trace_id=f"t{number}", name=f"s{number}", start_time=at))

    def listed(*args: Any, **kwargs: Any) -> list[str]:
        return [trace.trace_id for trace in storage.get_all_traces(*args, **kwargs)]

    assert ["t3", "t2", "t1", "t0"] == listed()
    assert ["t3", "t2"] == listed(limit=2)
    assert ["t3", "t0"] == listed(100, "completed")
    assert (["t1"], ["t2"]) == (listed(status="failed"), listed(status="running"))
    assert ([], []) == (listed(status="odd"), listed(limit=0))
    assert ["s3", "s2", "s1", "s0"] == [t.steps[0].name for t in storage.get_all_traces()]


def test_saving_again_replaces(storage: SQLiteStorage) -> None:
    at = datetime(2026, 1, 1)
    trace = Trace(trace_id="t", name="first", start_time=at, status="running")
    storage.save_trace(trace)
    step = Step(step_id="s", trace_id="t", start_time=at, status="running", input={"a": 1})
    storage.save_step(step)
    trace.status, trace.end_time, trace.duration_ms = "completed", at + timedelta(seconds=1), 1000
    step.status, step.output = "failed", {"b": 2}
    storage.save_step(step)
    storage.save_trace(trace)
    trace.steps = [step]
    assert trace == storage.get_trace("t")


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(hours=-1), timedelta()])
@pytest.mark.parametrize(
    ("first", "second"),
    [("running", "failed"), ("completed", "running"), ("failed", "running"), ("failed", "failed")],
)
def test_saving_again_with_another_start_replaces_too(
    storage: SQLiteStorage, first: str, second: str, later: timedelta
) -> None:
    at = datetime(2026, 1, 1)
    for start, status, note in ((at, first, "first"), (at + later, second, "second")):
        end = None if status == "running" else start + timedelta(seconds=1)
        duration_ms = None if end is None else 1000.0
        step = Step(
            step_id="s", trace_id="t", start_time=start, end_time=end, duration_ms=duration_ms
        )
        step.status = status
        step.metadata["llm"] = {"model": "gpt-4", "tokens_used": 7}
        trace = Trace(trace_id="t", name=note, start_time=start, metadata={"note": note})
        trace.end_time, trace.duration_ms, trace.status = end, duration_ms, status
        trace.steps = [step]
        storage.save_trace(trace)
    assert [trace] == storage.get_all_traces()
    counted = """SELECT span_count, total_tokens, start_time_ns, running_count, error_count
        FROM main.runs"""
    start_ns = int(trace.start_time.timestamp()) * 10**9
    running, failed = 2 * (second == "running"), 2 * (second == "failed")
    assert [(2, 7, start_ns, running, failed)] == storage.conn.execute(counted).fetchall()
    assert [] == storage.conn.execute("SELECT * FROM main.ledger").fetchall()


def test_what_is_refused_moves_nothing(tmp_path: Path) -> None:
    at = datetime(2026, 1, 1)
    storage = SQLiteStorage(tmp_path / "refused.db")
    trace = Trace(trace_id="t", start_time=at, end_time=at + timedelta(seconds=1))
    trace.status, trace.duration_ms = "completed", 1000.0
    storage.save_trace(trace)
    with closing(sqlite3.connect(tmp_path / "refused.db")) as connection:
        connection.execute("""
            CREATE TRIGGER refusing BEFORE UPDATE OF name ON spans WHEN NEW.name = 'refused'
            BEGIN SELECT RAISE(ABORT, 'a fault'); END
        """)
    with pytest.raises(MalformedTrace, match="a fault"):
        storage.save_trace(Trace(trace_id="t", name="refused", start_time=at + timedelta(hours=1)))
    assert [trace] == storage.get_all_traces()
    storage.close()


def test_a_step_may_come_before_its_trace(storage: SQLiteStorage) -> None:
    storage.save_step(Step(step_id="s", trace_id="t", name="early", status="completed"))
    assert ["early"] == [step.name for step in storage.get_trace("t").steps]  # type: ignore[union-attr]
    storage.save_trace(Trace(trace_id="t", name="late"))
    kept = storage.get_trace("t")
    assert kept is not None
    assert ("late", ["early"]) == (kept.name, [step.name for step in kept.steps])


def test_deleting_a_trace_leaves_nothing_of_it(traced: Any) -> None:
    """Its library spans go too; a run that hung under it, and all others, stay."""
    xray = XRay()
    tracer = otel.get_tracer("library")
    with xray.trace("gone") as gone, gone.step("secret plan") as step:
        step.set_input({"plan": "unusual-word-4711"})
        with (
            tracer.start_as_current_span("library call"),
            xray.trace("stays") as stays,
            stays.step("one"),
        ):
            pass
    storage = traced.storage()
    storage.conn.execute("DELETE FROM traces WHERE trace_id = ?", (gone.trace.trace_id,))
    assert storage.get_trace(gone.trace.trace_id) is None
    assert ["one"] == [s.name for s in storage.get_trace(stays.trace.trace_id).steps]
    tables = storage.conn.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert {"runs", "spans", "steps", "run_traces"} <= {name for (name,) in tables}
    for (table,) in tables:
        rows = repr(storage.conn.execute(f"SELECT * FROM main.{table}").fetchall())
        for word in ("unusual-word-4711", "secret plan", "library call", gone.trace.trace_id):
            assert word not in rows, table


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO traces VALUES ('t', 'n', '', NULL, NULL, 'completed', '{}')",
        "UPDATE traces SET name = 'other'",
        "INSERT INTO steps (step_id, trace_id) VALUES ('s', 't')",
        "UPDATE steps SET name = 'other'",
        "DELETE FROM steps WHERE step_id = 's'",
    ],
)
def test_other_changes_by_sql_are_refused_with_what_to_do(
    storage: SQLiteStorage, statement: str
) -> None:
    storage.save_trace(Trace(trace_id="t", steps=[Step(step_id="s", trace_id="t")]))
    with pytest.raises(Exception, match=r"save_trace|save_step|DELETE FROM traces"):
        storage.conn.execute(statement)
    assert ["unnamed"] == [step.name for step in storage.get_trace("t").steps]  # type: ignore[union-attr]


def test_the_views_have_x_ray_s_columns(storage: SQLiteStorage) -> None:
    metadata = {"evaluations": [{"qualified": True}], "llm": {"temperature": None}, "own": 1}
    step = Step(step_id="s", trace_id="t", reasoning="why", metadata=metadata, error="e")
    storage.save_trace(Trace(trace_id="t", metadata={"a": 1}, steps=[step]))

    def row(view: str) -> dict[str, Any]:
        cursor = storage.conn.execute(f"SELECT * FROM {view}")
        return dict(
            zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True)
        )

    assert [
        "trace_id",
        "name",
        "start_time",
        "end_time",
        "duration_ms",
        "status",
        "metadata",
    ] == list(row("traces"))
    found = row("steps")
    assert set(Step.model_fields) == set(found)
    assert ("s", "t", "why", "e", 0) == tuple(
        found[key] for key in ("step_id", "trace_id", "reasoning", "error", "step_order")
    )
    [kept] = storage.conn.execute(
        "SELECT metadata ->> '$.evaluations[0].qualified', metadata ->> '$.own',"
        " json_type(metadata, '$.llm.temperature'), json_type(metadata, '$.x') FROM steps"
    )
    assert (1, 1, "null", None) == kept


def test_a_program_that_does_not_commit_keeps_nobody_waiting(storage: SQLiteStorage) -> None:
    storage.save_trace(Trace(trace_id="a"))
    storage.conn.execute("DELETE FROM traces WHERE trace_id = 'a'")
    cursor = storage.conn.execute("SELECT 1 FROM traces UNION SELECT 2")
    storage.save_trace(Trace(trace_id="b"))
    assert ["b"] == [trace.trace_id for trace in storage.get_all_traces()]
    assert (2,) in cursor.fetchall()


def test_two_in_memory_are_two() -> None:
    one, other = SQLiteStorage(":memory:"), SQLiteStorage(":memory:")
    one.save_trace(Trace(trace_id="t"))
    assert [] == other.get_all_traces()


def test_one_in_memory_has_our_schema_and_no_file(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    storage = SQLiteStorage(":memory:")
    storage.save_trace(Trace(trace_id="t"))
    [(version,)] = storage.conn.execute("PRAGMA user_version")
    assert version >= 1
    assert [("t", 1)] == storage.conn.execute("SELECT run_id, span_count FROM main.runs").fetchall()
    assert [] == list(tmp_path.iterdir())


async def test_any_run_of_the_store_is_a_trace(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "runs.db")
    await backend.save_run_start({"run_id": "r", "pipeline_name": "p", "status": "paused"})
    span = {"span_id": "a", "name": "step", "start_time": 1.7e9, "end_time": 1.7e9 + 2}
    attributes = {"flujo.step.type": "Step", "input.value": '"plain"', "flujo.step.index": 3}
    await backend.save_trace("r", {**span, "attributes": attributes, "status": "completed"})
    kept = SQLiteStorage(tmp_path / "runs.db").get_trace("r")
    assert kept is not None
    assert ("p", "running") == (kept.name, kept.status)


def test_a_run_of_another_producer_is_not_overwritten(traced: Any) -> None:
    with otel.get_tracer("program").start_as_current_span("root") as root:
        run_id = f"{root.get_span_context().trace_id:032x}"
    storage = traced.storage()
    with pytest.raises(MalformedTrace, match="not recorded by X-Ray"):
        storage.save_trace(storage.get_trace(run_id))


@pytest.mark.parametrize("year", [1969, 2300])
def test_a_time_that_cannot_be_stored_is_an_error(storage: SQLiteStorage, year: int) -> None:
    with pytest.raises(MalformedTrace, match="1970 to 2262"):
        storage.save_trace(Trace(start_time=datetime(year, 1, 1, tzinfo=UTC)))


def test_another_program_s_file_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as theirs:
        theirs.execute("CREATE TABLE t (a)")
    with pytest.raises(ForeignDatabase):
        SQLiteStorage(tmp_path / "theirs.db").save_trace(Trace())


def test_many_threads_write_and_read(storage: SQLiteStorage) -> None:
    errors: list[Exception] = []

    def work(worker: int) -> None:
        try:
            for number in range(10):
                storage.save_trace(Trace(trace_id=f"{worker}.{number}"))
                assert storage.get_trace(f"{worker}.{number}") is not None
                storage.conn.execute("SELECT * FROM traces LIMIT 3").fetchall()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors
    assert 40 == len(storage.get_all_traces())


FORK = """
import os, sys
from flujo_otel import XRay, Trace
from flujo_otel.storage.sqlite import SQLiteStorage

storage = SQLiteStorage(sys.argv[1])
xray = XRay(storage=storage)
storage.conn.execute("SELECT 1")
children = []
for number in range(5):
    with xray.trace(f"parent {number}") as trace, trace.step("one"):
        child = os.fork()
        if child == 0:
            for again in range(5):
                with xray.trace(f"child {number}.{again}") as inner, inner.step("one"):
                    pass
            storage.conn.execute("SELECT COUNT(*) FROM traces").fetchall()
            os._exit(0)
        children.append(child)
assert [0] * 5 == [os.waitpid(child, 0)[1] for child in children]
assert "ok" == storage.conn.execute("PRAGMA integrity_check").fetchone()[0]
print(len(storage.get_all_traces()))
"""


def test_parents_and_forked_children_write_to_one_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, str(tmp_path / "forked.db")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ("30\n", "", 0) == (done.stdout, done.stderr, done.returncode)
