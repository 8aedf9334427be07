"""Each example of examples/, run as its first lines say it, ends with a picture by `lens`."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.lens import environment

ROOT = Path(__file__).parents[3]
# flujo itself warns of what is deprecated: 0.4 on Python 3.12, 0.6 by what it imports.
FLUJOS_WARNINGS = "ignore::DeprecationWarning"


def output_of(name: str, folder: Path, warnings: str = "error") -> str:
    """What the example prints; its own database is in `folder`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", warnings, str(ROOT / "examples" / f"{name}.py")],
        cwd=folder,
        env=environment(COLUMNS="100"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_competitor_selection(tmp_path: Path) -> None:
    out = output_of("competitor_selection", tmp_path)
    _, traced, opened = out.split("\n$ lens ")
    assert "├─ ✔ keyword_generation  gpt-4o-mini  86→24 tok" in traced
    assert "├─ ✔ apply_filters  6 of 50 passed" in traced
    assert "price_range       ██████····  30 of 50  cut most" in traced
    assert "└─ ✔ rank_and_select  → B0C0023 Summit Tumbler" in traced
    assert "because Summit Tumbler is nearest in price and sells best." in traced
    assert all(f"\nB0C{number:04} " in opened for number in range(50))


@pytest.mark.skipif(find_spec("langchain_core") is None, reason="needs [langchain]")
def test_ask_the_manual(tmp_path: Path) -> None:
    out = output_of("ask_the_manual", tmp_path)
    _, traced, opened = out.split("\n$ lens ")
    names = [line.split("✔ ")[1].split("  ")[0] for line in traced.splitlines() if "─ ✔" in line]
    assert names == [
        "ManualRetriever",
        "choose_passages",
        "answer",
        "ChatPromptTemplate",
        "chat fake-1",
        "StrOutputParser",
    ]
    assert "chat fake-1  143→21 tok" in traced
    assert "heat       ✘        ✘                  ✔" in opened


@pytest.mark.skipif(find_spec("pydantic_graph") is None, reason="needs [pydantic-graph]")
def test_write_until_good(tmp_path: Path) -> None:
    out = output_of("write_until_good", tmp_path)
    said, traced = out.split("\n$ lens ")
    assert said.endswith("(3 rounds, 2 attempts)\n")
    names = [
        " ".join(line.split("✔ ")[1].split("  ")[:2]).strip()
        for line in traced.splitlines()
        if "─ ✔" in line
    ]
    assert names == [
        "write",
        "review",
        "good enough? → write",
        "write visit 2",
        "review visit 2",
        "good enough? → write",
        "write visit 3",
        "review visit 3",
        "good enough? → publish",
        "publish",
        "is it out? → publish",
        "publish visit 2",
        "is it out? → report",
        "report",
    ]


@pytest.mark.flujo
@pytest.mark.skipif(find_spec("flujo") is None, reason="needs [flujo]")
def test_support_triage(tmp_path: Path) -> None:
    out = output_of("support_triage", tmp_path, FLUJOS_WARNINGS)
    said, traced = out.split("\n$ lens ")
    # 0.6 puts words of its own before the error's.
    assert said.startswith("5 steps ran; 'answer' said: ") and said.endswith("sour milk\n")
    assert "support-triage  failed after" in traced and "ValueError: sour milk" in traced


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("ask_the_manual", "langchain_core", "langchain"),
        ("write_until_good", "pydantic_graph", "pydantic-graph"),
        ("support_triage", "flujo", "flujo"),
    ],
)
def test_without_its_extra_an_example_says_what_to_install(
    name: str, missing: str, extra: str, tmp_path: Path
) -> None:
    """`-c` with the module marked as not there: as on a machine without the extra."""
    program = (
        f"import sys, runpy; sys.modules[{missing!r}] = None; "
        f"runpy.run_path({str(ROOT / 'examples' / f'{name}.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "pip install" in done.stderr and extra in done.stderr


DEMO_PIPELINE_TEST = '''
def test_demo_pipeline_execution():
    """Test full demo pipeline execution."""
    from demo.pipeline import run_pipeline

    trace_id = run_pipeline()

    # Verify trace was created
    storage = SQLiteStorage()
    trace = storage.get_trace(trace_id)

    assert trace is not None
    assert trace.status == "completed"
    assert len(trace.steps) == 4
    assert trace.steps[0].name == "keyword_generation"
    assert trace.steps[3].name == "rank_and_select"
'''
"""Section 12.3.1 of the DecisionTrace document, as printed."""


def test_the_demo_pipeline_s_own_test_passes_as_printed(tmp_path: Path) -> None:
    test = DEMO_PIPELINE_TEST.replace("demo.pipeline", "competitor_selection")
    given = "from flujo_otel.storage.sqlite import SQLiteStorage\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{given}{test}\ntest_demo_pipeline_execution()"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT / "examples")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
