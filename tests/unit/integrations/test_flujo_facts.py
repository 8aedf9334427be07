"""What became of a run, as flujo's own result and context say it."""

from types import SimpleNamespace
from typing import Any

import pytest

from flujo_otel.integrations.flujo.facts import (
    Kind,
    result_attributes,
    run_status,
    stand_in_tokens,
)


def result(*steps: bool, **more: Any) -> Any:
    return SimpleNamespace(step_history=[SimpleNamespace(success=each) for each in steps], **more)


NOTHING = SimpleNamespace()
RUNNING = {"status": "running"}
PAUSED = SimpleNamespace(status="paused", pause_message="Which one?")
PAUSED_04 = SimpleNamespace(scratchpad={"status": "paused", "pause_message": "Which one?"})


@pytest.mark.parametrize(
    ("result", "context", "status"),
    [
        (result(True), NOTHING, "completed"),
        (result(), None, "completed"),
        (result(True, False), NOTHING, "failed"),
        (result(True, success=False), NOTHING, "failed"),
        (result(True), PAUSED, "paused"),
        # What pauses says why, whatever its history says.
        (result(True, False), PAUSED, "paused"),
        (result(True, False), PAUSED_04, "paused"),
        # 0.6, where a loop's body failed after its first step.
        (result(True, False), SimpleNamespace(status="paused", pause_message=None), "failed"),
        (result(True), SimpleNamespace(status="paused", pause_message=None), "paused"),
        (result(True), SimpleNamespace(scratchpad={"status": "cancelled"}), "failed"),
        (result(True), SimpleNamespace(scratchpad={"status": "failed"}), "failed"),
        (result(True), SimpleNamespace(scratchpad=RUNNING), "completed"),
        # The scratchpad is the one that is kept up to date where there are both.
        (result(True), SimpleNamespace(scratchpad=RUNNING, status="paused"), "completed"),
    ],
)
def test_a_run_has_the_status_that_flujo_means(result: Any, context: Any, status: str) -> None:
    assert status == run_status(result, context)


def counted(tokens: int, output: Any = "a text", **more: Any) -> Any:
    said = {"token_counts": tokens, "cost_usd": 0.0, "attempts": 1, "output": output}
    return SimpleNamespace(**(said | more))


@pytest.mark.parametrize(
    ("result", "stand_ins"),
    [
        (counted(1), 1),
        (counted(1, None), 1),  # of an attempt that failed after its text
        (counted(4, attempts=4), 4),  # 0.6 adds a fallback's to those of each attempt before
        (counted(0), 0),
        (counted(2), 0),
        (counted(1, cost_usd=0.01), 0),
        (counted(1, {"a": "model"}), 0),
        (counted(102, step_history=[counted(1), counted(100), counted(1)]), 2),
        (counted(1, step_history=[counted(1), counted(1)]), 1),  # never more than it counts
        (None, 0),
    ],
)
def test_tokens_that_stand_for_texts_are_known(result: Any, stand_ins: int) -> None:
    assert stand_in_tokens(result) == stand_ins


def test_texts_of_a_result_s_metadata_are_redacted() -> None:
    secret = "password=hunter2"
    texts = ("exit_reason", "executed_branch_key", "original_error", "background_task_id")
    metadata = {**dict.fromkeys(texts, secret), "executed_branches": [secret]}
    said = SimpleNamespace(success=True, metadata_={**metadata, "fallback_triggered": True})
    kind = Kind("LoopStep", "", is_loop=True, has_branches=False, pauses=False)
    found = result_attributes(said, kind, None)
    assert "hunter2" not in str(found)
    assert str(found).count("[REDACTED]") == 5
