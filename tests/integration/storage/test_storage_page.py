"""The examples in docs/storage.md run as they stand."""

import importlib.util
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.spanstore.factory import open_reader

PAGE = Path(__file__).parents[3] / "docs" / "storage.md"


def run_example(number: int, folder: Path) -> list[str]:
    """What the page's example printed, saved and run as it stands."""
    example = PAGE.read_text(encoding="utf-8").split("```python\n")[number].split("```")[0]
    script = folder / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, capture_output=True, check=True, text=True
    )
    return done.stdout.splitlines()


def test_the_example_gives_the_tree_back(tmp_path: Path) -> None:
    tree, details = map(eval, run_example(1, tmp_path))
    [answer] = tree["children"]
    assert ("root", "completed", "a") == (tree["span_id"], tree["status"], answer["span_id"])
    assert ("demo", "completed") == (details["pipeline_name"], details["status"])


def test_the_examples_spans_lie_in_its_run(tmp_path: Path) -> None:
    run_example(1, tmp_path)
    with closing(open_reader(tmp_path / "traces.db")) as reader:
        run = reader.get_run("demo-1")
        spans = list(reader.spans("demo-1"))
    assert run is not None and run.end_time_ns is not None
    microsecond_ns = 1000
    for span in spans:
        assert span.end_time_ns is not None
        assert run.start_time_ns - microsecond_ns < span.start_time_ns
        assert span.end_time_ns < run.end_time_ns + microsecond_ns


def test_times_given_alike_come_back_alike(tmp_path: Path) -> None:
    _, details = map(eval, run_example(1, tmp_path))
    assert {"+00:00"} == {details[key][-6:] for key in ("start_time", "end_time")}


@pytest.mark.flujo
@pytest.mark.skipif(importlib.util.find_spec("flujo") is None, reason="it is about the real flujo")
def test_the_example_with_flujo_keeps_the_run(tmp_path: Path) -> None:
    assert "'status': 'completed'" in run_example(2, tmp_path)[-1]
