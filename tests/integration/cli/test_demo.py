"""`make demo` on the real flujo."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[3] / "examples" / "demo.py"


@pytest.mark.flujo
@pytest.mark.skipif(find_spec("flujo") is None, reason="needs the real flujo: pip install .[flujo]")
def test_the_demo_ends_with_the_tree_of_its_run() -> None:
    done = subprocess.run([sys.executable, str(DEMO)], capture_output=True, text=True, check=True)
    _, listed, traced = done.stdout.split("\n$ ")[1:]
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
