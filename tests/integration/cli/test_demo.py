"""`make demo` on the real flujo."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[3] / "examples" / "demo.py"


@pytest.mark.flujo
@pytest.mark.skipif(find_spec("flujo") is None, reason="needs the real flujo: pip install .[flujo]")
def test_the_demo_ends_with_its_tree_its_run_and_commands_to_type(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, str(DEMO), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    _, traced, listed = done.stdout.split("\n$ ")[1:]
    assert "support-triage   ✘ failed" in listed
    names = [line.partition("  ")[0] for line in traced.splitlines()[1:] if "─ " in line]
    assert names == [
        "├─ ✔ classify",
        "├─ ✔ refine",
        "│",
        "│",
        "│",
        "├─ ✔ route",
        "│",
        "├─ ✔ gather",
        "│",
        "│",
        "└─ ✘ answer",
    ]
    assert "read orders  branch orders  retried once" in traced
    assert "ValueError: sour milk" in traced
    _, _, typed = listed.partition("The trace is there to be looked at:\n")
    assert len(typed.splitlines()) == 3
    for line in typed.splitlines():
        assert line.endswith("--db demo/flujo_otel.db")
        subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True)
    [hint] = [line for line in traced.splitlines() if "--step answer" in line]
    shown = [hint.partition(" in answer   ")[2], traced.splitlines()[0]]
    for line in shown:
        assert line.endswith("--db demo/flujo_otel.db")
        subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True)
    assert [folder] == list(tmp_path.iterdir())
