"""The example in docs/storage.md runs as it stands."""

import ast
import inspect
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
