"""What became of a run, as flujo's own result and context say it."""

from types import SimpleNamespace
from typing import Any

import pytest

from flujo_otel.integrations.flujo.facts import run_status


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
