"""`lens trace` on a real store."""

from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from unit.cli.lens import answer, document
from unit.cli.scenes import a_run, a_span, store


def test_trace_as_json_has_parents_before_children(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = document(capsys, "trace", "last")
    tree = [(span["depth"], span["name"]) for span in found["spans"]]
    assert tree[:4] == [(0, "pipeline_run"), (1, "classify"), (1, "climb"), (2, "up")]
    assert len(tree) == 13


def test_trace_of_errors_alone(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "trace", "--errors")
    assert [span["name"] for span in found["spans"]] == ["pipeline_run", "answer"]
    assert "classify" not in answer(capsys, "trace", "--errors")[1]


async def test_a_run_without_spans_says_so_and_names_its_steps(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import UTC, datetime

    from flujo_otel.storage.sqlite import SQLiteBackend

    backend = SQLiteBackend(here / "flujo_otel.db")
    run = {"pipeline_name": "p", "pipeline_version": "1", "start_time": datetime.now(UTC)}
    for run_id in ("bare", "stepped"):
        await backend.save_run_start({**run, "run_id": run_id, "status": "running"})
    step = {"step_run_id": "s", "step_name": "\x1b[1mone", "step_index": 0, "status": "completed"}
    times = {"start_time": datetime.now(UTC), "end_time": datetime.now(UTC)}
    await backend.save_step_result({**step, **times, "run_id": "stepped"})
    assert "This run has no spans.\n" in answer(capsys, "trace", "bare")[1]
    assert "no spans, but 1 step:\n✔ \\x1b[1mone\n" in answer(capsys, "trace", "stepped")[1]


def test_an_unknown_run(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "trace", "7f3a99")
    assert (code, found["error"]["code"]) == (1, "no_such_run")
    assert found["error"]["near"] == [a_run().run_id]


def test_an_ambiguous_prefix_lists_its_candidates(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = a_span(1, "other", 0, 1, role=Role.RUN_ROOT, run_id="7f11")
    store(filled, [other], **{flujo.PIPELINE_NAME: "nightly"})
    code, _, err = answer(capsys, "trace", "7f")
    assert code == 1
    assert err.startswith("7f names 2 runs:")
    assert "7f3a91c2  support-triage 1.2" in err and "7f11  nightly" in err
