"""The code that docs/llama-index.md prints runs as printed, and leaves the tree that it shows."""

import re
import sys
from pathlib import Path

from support.lens import told, written

PAGE = (Path(__file__).parents[3] / "docs" / "llama-index.md").read_text("utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)[0]
TREE = re.findall(r"^```\n(✔ Retr.*?)^```$", PAGE, re.M | re.S)[0]


def test_lens_run_does_the_same_for_a_program_that_says_nothing_of_tracing(tmp_path: Path) -> None:
    silent = [line for line in CODE.splitlines() if "flujo_otel" not in line]
    (tmp_path / "page.py").write_text("\n".join(silent))
    told(tmp_path, "run", "--", sys.executable, "page.py")
    shown = told(tmp_path, "show", "last")
    assert "RetrieverQueryEngine.query  ✔ completed" in shown
    assert "✔ 0 VectorIndexRetriever.retrieve" in shown


def test_lens_run_imports_no_llamaindex_for_a_program_that_does_not(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(
        "import sys; assert not {'llama_index.core', 'langchain_core'} & set(sys.modules)\n"
        "from opentelemetry import trace; trace.get_tracer('x').start_span('x').end()"
    )
    told(tmp_path, "run", "--", sys.executable, "page.py")


def test_the_page_s_code_leaves_the_tree_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(CODE)
    assert "text text text text\n" == written(tmp_path, sys.executable, "page.py")
    drawn = told(tmp_path, "trace", "last")
    names = re.findall(r"✔ ([\w.]+)", TREE)
    assert 8 == len(names)
    places = [drawn.index(f"✔ {name}") for name in names]
    assert sorted(places) == places
    shown = told(tmp_path, "show", "last")
    assert "✔ 0 VectorIndexRetriever.retrieve" in shown
    assert "✔ 1 CompactAndRefine.synthesize" in shown
