"""The code that docs/langchain.md prints runs as printed, and leaves the tree that it shows."""

import re
import sys
from pathlib import Path

import pytest

from support.lens import LENS, finished, told, written

PAGE = (Path(__file__).parents[3] / "docs" / "langchain.md").read_text("utf-8")
*CODE, GRAPH = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
TREE, GRAPHS_TREE = re.findall(r"^```\n(✔ .*?)^```$", PAGE, re.M | re.S)


def drawn(tree: str) -> list[str]:
    """The lines of a tree without what stands right of the names."""
    return [found[0] for found in re.finditer(r"^[│├└─ ]*✔ \w+", tree, re.M)]


def test_the_chain_in_an_x_ray_trace_is_the_tree_that_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(CODE[0])
    written(tmp_path, sys.executable, "page.py")
    assert drawn(TREE) == drawn(told(tmp_path, "trace", "last"))
    assert 6 == len(drawn(TREE))


def test_the_chain_with_no_trace_around_it_is_a_run_with_steps(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("\n".join(CODE))
    written(tmp_path, sys.executable, "page.py")
    shown = told(tmp_path, "show", "last")
    assert "answer  ✔ completed" in shown
    steps = re.findall(r"^✔ (\d \w+)", shown, re.M)
    assert ["0 ChatPromptTemplate", "1 FakeListChatModel", "2 StrOutputParser"] == steps
    assert "They purr." in shown


def test_the_graph_that_knows_nothing_of_tracing_is_the_tree_that_the_page_shows(
    tmp_path: Path,
) -> None:
    pytest.importorskip("langgraph", reason="pip install langgraph")
    (tmp_path / "manual.py").write_text(GRAPH)
    assert 0 == finished(tmp_path, LENS, "run", "--", sys.executable, "manual.py").returncode
    assert drawn(GRAPHS_TREE) == drawn(told(tmp_path, "trace", "last"))
    assert 6 == len(drawn(GRAPHS_TREE))
