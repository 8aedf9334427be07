"""Two runs of a real flujo pipeline side by side, as `lens compare` tells them."""

import sys
from pathlib import Path

import pytest

from support.lens import finished, told

pytest.importorskip("flujo", reason="needs the real flujo: pip install .[flujo]")
pytestmark = [pytest.mark.flujo, pytest.mark.filterwarnings("ignore")]

PROGRAM = """
import asyncio, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import flujo_otel
from flujo import Flujo, Pipeline, Step
from flujo.state.backends.memory import InMemoryBackend

flujo_otel.configure()
is_bad = "bad" in sys.argv

async def classify(text: str) -> str:
    return ("complaint: " if is_bad else "refund: ") + text

async def sharpen(text: str) -> str:
    await asyncio.sleep(0.01)
    return text + "?"

async def pay(text: str) -> str:
    return "paid"

async def explain(text: str) -> str:
    return "sorry"

async def orders(text: str) -> str:
    return "2 orders"

async def history(text: str) -> str:
    await asyncio.sleep(0.4 if is_bad else 0)
    return "none"

async def answer(facts: object) -> str:
    if is_bad:
        raise ValueError("sour milk")
    return "done"

def step(function, **more):
    return Pipeline.from_step(Step.from_callable(function, name=function.__name__, **more))

refine = Step.loop_until(
    name="refine",
    loop_body_pipeline=step(sharpen),
    exit_condition_callable=lambda text, _: text.endswith("????" if is_bad else "??"),
    max_loops=5,
)
route = Step.branch_on(
    name="route",
    condition_callable=lambda text, _: text.partition(":")[0],
    branches={"refund": step(pay), "complaint": step(explain)},
)
gather = Step.parallel(name="gather", branches={"orders": step(orders), "history": step(history)})
pipeline = step(classify) >> refine >> route >> gather >> step(answer, max_retries=1)
try:
    Flujo(pipeline, pipeline_name="desk", state_backend=InMemoryBackend()).run("milk")
except Exception:
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a run that was good, and one that was not."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "app.py").write_text(PROGRAM)
    for outcome in ("good", "bad"):
        done = finished(folder, sys.executable, "app.py", outcome)
        assert done.returncode == 0, done.stderr
    return folder


def names(out: str) -> list[str]:
    """Marks, names and rounds of the tree, without what follows them."""
    return [line.partition("  ")[0] for line in out.splitlines() if line.startswith(("├", "└"))]


def test_what_went_another_way_is_seen_at_once(folder: Path) -> None:
    out = told(folder, "compare")
    assert "worse" in out and "slower" in out
    assert "├─ ✔ classify  output differs" in out
    assert "├─ ✔ refine  rounds 2 → 4  input, output differ" in out
    assert "│  ├─ + ✔ #3 sharpen" in out and "│  └─ + ✔ #4 sharpen" in out
    assert "├─ ✔ route  branch refund → complaint" in out
    assert "│  ├─ - ✔ pay" in out and "│  └─ + ✔ explain" in out
    assert "│  └─ ✔ history" in out and "└─ ✔→✘ answer" in out
    assert "\n   ValueError: sour milk\n" in out
    _, _, most = out.partition("without what ran beneath it:\n")
    assert "gather / history" in most.splitlines()[0] and most.startswith("  +4")


def test_the_other_way_round(folder: Path) -> None:
    out = told(folder, "compare", "last", "prev")
    assert "better" in out and "faster" in out
    assert "└─ ✘→✔ answer" in out and "was ValueError: sour milk" in out


def test_values(folder: Path) -> None:
    out = told(folder, "compare", "--values")
    assert "│  output  - refund: milk\n│          + complaint: milk\n" in out


def test_the_same_run_twice_has_no_difference(folder: Path) -> None:
    assert "No step or span is different." in told(folder, "compare", "last", "last")
    out = told(folder, "compare", "last", "last", "--all")
    assert names(out) == [
        "├─ ✔ classify",
        "├─ ✔ refine",
        "├─ ✔ route",
        "├─ ✔ gather",
        "└─ ✘ answer",
    ]
