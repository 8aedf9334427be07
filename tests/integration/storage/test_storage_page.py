"""The examples in docs/storage.md run as they stand."""

import ast
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "storage.md"


async def test_the_example_gives_the_tree_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    code = compile(example, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {}
    pending = eval(code, names)
    assert inspect.iscoroutine(pending)
    await pending
    tree, began = names["tree"], names["began"]
    assert ("root", began) == (tree["span_id"], tree["start_time"])
    assert [("a", began + 1.5)] == [(c["span_id"], c["end_time"]) for c in tree["children"]]
    details = await names["backend"].get_run_details("run-1")
    assert ("demo", "completed") == (details["pipeline_name"], details["status"])
    assert (tmp_path / "traces.db").exists()


@pytest.mark.flujo
@pytest.mark.skipif(importlib.util.find_spec("flujo") is None, reason="it is about the real flujo")
def test_the_example_with_flujo_keeps_the_run(tmp_path: Path) -> None:
    example = PAGE.read_text(encoding="utf-8").split("```python\n")[2].split("```")[0]
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, check=True, text=True
    )
    assert "'status': 'completed'" in done.stdout.splitlines()[-1]
