"""What each step of a real pipeline changed in its context, as `lens show` tells it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.lens import environment, told

pytest.importorskip("flujo", reason="needs the real flujo: pip install .[flujo]")
pytestmark = [pytest.mark.flujo, pytest.mark.filterwarnings("ignore")]

PROGRAM = """
import logging, os, warnings
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)
import flujo_otel
from flujo import Flujo, Pipeline, Step
from flujo.domain.models import PipelineContext
from opentelemetry import trace

flujo_otel.configure()

class Notes(PipelineContext):
    topic: str = ""
    seen: list[str] = []
    api_key: str = ""

async def pick(text: str, *, context: Notes) -> str:
    context.topic = text.upper()
    context.api_key = "sk-live-1234567890abcdefghij"
    return text

async def think(text: str) -> str:
    return text + "?"

async def think_of(found: dict[str, str]) -> str:
    return found["topic"] + "!"

async def note(text: str, *, context: Notes) -> str:
    context.seen.append(text)
    return text

async def rename(text: str) -> dict[str, str]:
    return {"topic": text}

step = Step.from_callable
updating = [step(rename, name=name, updates_context=True) for name in ("rename", "last")]
pipeline = Pipeline(
    steps=[
        step(pick, name="pick"),
        step(think, name="think"),
        step(note, name="note"),
        updating[0],
        step(think_of, name="think again"),
        updating[1],
    ]
)
runner = Flujo(
    pipeline,
    context_model=Notes,
    initial_context_data={"initial_prompt": "cats", "seen": ["dogs"]},
)
runner.run("cats")
trace.get_tracer_provider().force_flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("context")
    program = [sys.executable, "-c", PROGRAM]
    subprocess.run(program, cwd=made, env=environment(), timeout=60, check=True)
    return made


def changes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By step and path, of the program's own fields: flujo 0.6 keeps more in its contexts."""
    return {
        step["step_name"]: {
            each["path"]: (each.get("before"), each.get("after"))
            for each in step["context_changes"]
            if each["path"] in ("topic", "seen", "api_key")
        }
        for step in document["steps"]
    }


def test_each_step_tells_what_it_changed_and_no_secret(folder: Path) -> None:
    document = json.loads(told(folder, "show", "last", "--json"))
    assert changes(document) == {
        "pick": {"topic": ("", "CATS"), "api_key": ("", "[REDACTED]")},
        "think": {},
        "note": {"seen": (["dogs"], ["dogs", "cats?"])},
        # What flujo makes of a step's output once it has ended.
        "rename": {"topic": ("CATS", "cats?")},
        "think again": {},
        "last": {"topic": ("cats?", "cats?!")},
    }
    opened = json.loads(told(folder, "show", "last", "--step", "note", "--json"))
    assert changes(opened) == {"note": {"seen": (["dogs"], ["dogs", "cats?"])}}


def test_a_list_that_grew_is_told_by_what_was_added(folder: Path) -> None:
    assert '   ctx    topic "" → "CATS"' in told(folder, "show", "last")
    assert '   ctx    seen + "cats?"' in told(folder, "show", "last", "--step", "note")
