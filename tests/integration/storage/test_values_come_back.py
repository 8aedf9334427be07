"""A run that is killed goes on, in another process, with the values it had: never with words."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flujo", reason="these tests need the real flujo: pip install .[flujo]")

from flujo_otel.spanstore.factory import open_maintenance
from flujo_otel.storage.flujo_version import speaks_06

pytestmark = pytest.mark.flujo
TESTS = Path(__file__).parents[2]


def program(folder: Path, *arguments: str) -> tuple[list[str], str]:
    """What the steps said, and what was logged."""
    done = subprocess.run(
        [sys.executable, "-m", "support.stateful_values", *arguments],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "FLUJO_OTEL_RAISE": "1", "PYTHONHASHSEED": "0"},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == (-signal.SIGKILL if "kill" in arguments else 0), done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line.startswith("step ")], done.stderr


@pytest.mark.parametrize("where", ["output", "context", "both", "keys"])
def test_the_next_step_gets_what_it_got_before_the_kill(tmp_path: Path, where: str) -> None:
    killed, _ = program(tmp_path, where, "kill")
    assert killed[0] == "step 0" and len(killed) == 3

    assert program(tmp_path, where)[0] == killed[1:]


def test_a_step_is_done_again_whose_output_cannot_come_back(tmp_path: Path) -> None:
    killed, logged = program(tmp_path, "object", "kill")
    again, _ = program(tmp_path, "object")

    assert again == killed
    assert killed[:2] == ["step 0", "step 1 got object "]
    assert logged.count("does that step again") == 1
    losses = open_maintenance(tmp_path / "ours.db").health().losses
    assert [(loss.reason, loss.detail, loss.count) for loss in losses] == [
        ("state_not_saved", "<unserializable: object>", 2)
    ]


def test_a_tree_that_knows_its_parents_holds_no_run_up(tmp_path: Path) -> None:
    ran, _ = program(tmp_path, "tree")
    assert ran[:2] == ["step 0", "step 1 got Node "]
    assert program(tmp_path, "tree")[0] == []  # it has ended
    losses = open_maintenance(tmp_path / "ours.db").health().losses
    assert {loss.reason for loss in losses} <= {"state_not_saved"}


def test_what_a_secret_hides_is_not_in_the_state(tmp_path: Path) -> None:
    program(tmp_path, "secret", "kill")
    files = [path.read_bytes() for path in tmp_path.glob("ours.db*")]
    assert files and not any(b"hunter2" in content for content in files)
    assert program(tmp_path, "secret")[0][0].startswith("step 1 got str")


def test_a_context_that_its_model_refuses_costs_what_it_costs_with_flujos_own(
    tmp_path: Path,
) -> None:
    if not speaks_06():
        pytest.skip("flujo 0.4 raises what the model says")
    program(tmp_path, "refused", "kill")
    assert program(tmp_path, "refused")[0][0] == "step 1 got str "
