"""Every example in docs/xray.md runs as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest

from flujo_otel.storage.sqlite import SQLiteStorage
from support.programs import environment

PAGE = Path(__file__).parents[3] / "docs" / "xray.md"
EXAMPLES = [part.split("```")[0] for part in PAGE.read_text().split("```python\n")[1:]]
LEFT = [
    {"find shoes": ["apply_filters", "rank", "ask the model"]},
    {"workflow": ["search", "pick one"]},
    {"prices": ["all", "price bread", "price cake", "price tea"]},
    {"documents": ["all", "parse bill", "parse letter"]},
    {},
    None,
]
"""The trace that each leaves behind, with its steps; None: whether it is sampled is chance."""


@pytest.mark.parametrize(("example", "left"), list(zip(EXAMPLES, LEFT, strict=True)))
def test_an_example_runs(example: str, left: dict[str, list[str]] | None, tmp_path: Path) -> None:
    db = tmp_path / "page.db"
    program = tmp_path / "page.py"  # a file: the children of a pool import it
    program.write_text(example)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        env=environment(db),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("", "", 0) == (done.stdout, done.stderr, done.returncode)
    if left is not None:
        kept = {
            trace.name: [step.name for step in trace.steps]
            for trace in SQLiteStorage(db).get_all_traces()
        }
        assert {name: sorted(steps) for name, steps in left.items()} == {
            name: sorted(steps) for name, steps in kept.items()
        }
