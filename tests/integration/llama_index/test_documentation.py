"""The code that docs/llama-index.md prints runs as printed, and leaves the tree that it shows."""

import re
import subprocess
import sys
from pathlib import Path

from support.lens import LENS, environment

PAGE = (Path(__file__).parents[3] / "docs" / "llama-index.md").read_text("utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)[0]
TREE = re.findall(r"^```\n(✔ Retr.*?)^```$", PAGE, re.M | re.S)[0]


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment(COLUMNS="100"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_lens_run_does_the_same_for_a_program_that_says_nothing_of_tracing(tmp_path: Path) -> None:
    silent = [line for line in CODE.splitlines() if "flujo_otel" not in line]
    (tmp_path / "page.py").write_text("\n".join(silent))
    run(tmp_path, LENS, "run", "--", sys.executable, "page.py")
    shown = run(tmp_path, LENS, "show", "last")
    assert "RetrieverQueryEngine.query  ✔ completed" in shown
    assert "✔ 0 VectorIndexRetriever.retrieve" in shown


def test_lens_run_imports_no_llamaindex_for_a_program_that_does_not(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(
        "import sys; assert not {'llama_index.core', 'langchain_core'} & set(sys.modules)\n"
        "from opentelemetry import trace; trace.get_tracer('x').start_span('x').end()"
    )
    run(tmp_path, LENS, "run", "--", sys.executable, "page.py")


def test_the_page_s_code_leaves_the_tree_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(CODE)
    assert "text text text text\n" == run(tmp_path, sys.executable, "page.py")
    drawn = run(tmp_path, LENS, "trace", "last")
    names = re.findall(r"✔ ([\w.]+)", TREE)
    assert 8 == len(names)
    places = [drawn.index(f"✔ {name}") for name in names]
    assert sorted(places) == places
    shown = run(tmp_path, LENS, "show", "last")
    assert "✔ 0 VectorIndexRetriever.retrieve" in shown
    assert "✔ 1 CompactAndRefine.synthesize" in shown
