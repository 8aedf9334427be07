"""The code that docs/langchain.md prints runs as printed, and leaves the tree that it shows."""

import re
import subprocess
import sys
from pathlib import Path

from support.lens import LENS, environment

PAGE = (Path(__file__).parents[3] / "docs" / "langchain.md").read_text("utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
TREE = re.findall(r"^```\n(✔ answer.*?)^```$", PAGE, re.M | re.S)[0]


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment(COLUMNS="60"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert "" == done.stderr
    return done.stdout


def drawn(tree: str) -> list[str]:
    """The lines of a tree without what stands right of the names."""
    return [found[0] for found in re.finditer(r"^[│├└─ ]*✔ \w+", tree, re.M)]


def test_the_chain_in_an_x_ray_trace_is_the_tree_that_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(CODE[0])
    run(tmp_path, sys.executable, "page.py")
    assert drawn(TREE) == drawn(run(tmp_path, LENS, "trace", "last"))
    assert 6 == len(drawn(TREE))


def test_the_chain_with_no_trace_around_it_is_a_run_with_steps(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("\n".join(CODE))
    run(tmp_path, sys.executable, "page.py")
    shown = run(tmp_path, LENS, "show", "last")
    assert "answer  ✔ completed" in shown
    steps = re.findall(r"^✔ (\d \w+)", shown, re.M)
    assert ["0 ChatPromptTemplate", "1 FakeListChatModel", "2 StrOutputParser"] == steps
    assert "They purr." in shown
