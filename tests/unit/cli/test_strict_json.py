"""What --json says is JSON for the strictest of readers, whatever a program recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Event
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo, openinference, xray
from unit.cli.lens import answer
from unit.cli.scenes import MS, START_NS, a_span, a_step, store

ODD = r'{"a": NaN, "b": 1e999, "\ud800": ["\udfff"], "c": [Infinity]}'
SAID = {"a": "NaN", "b": "1e999", r"\ud800": [r"\udfff"], "c": ["Infinity"]}
DEEP = "[" * 200 + "]" * 200


@pytest.fixture
def odd(here: Path) -> None:
    """A run and a step of it, of which all that may be JSON is such."""
    before = Event(flujo.EVENT_CONTEXT_BEFORE, START_NS, {flujo.CONTEXT: "{}"})
    after = Event(flujo.EVENT_CONTEXT_AFTER, START_NS + 2 * MS, {flujo.CONTEXT: ODD})
    values = {openinference.INPUT_VALUE: ODD, openinference.OUTPUT_VALUE: DEEP}
    evaluations = f'[{{"item_id": "i", "item_data": {ODD}}}]'
    decided = {xray.METADATA: ODD, xray.EVALUATIONS: evaluations}
    store(
        here / "flujo_otel.db",
        [
            a_span(1, "run", 0, 3, attributes=values, events=(before,), role=Role.RUN_ROOT),
            a_step(2, "step", 1, 2, 1, attributes={**values, **decided}, events=(after,)),
        ],
        **{flujo.FINAL_CONTEXT: ODD},
    )


def strictly(capsys: pytest.CaptureFixture[str], *command: str) -> Any:
    code, out, _ = answer(capsys, *command, "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    assert code == 0
    return found


@pytest.mark.usefixtures("odd")
def test_what_was_recorded_is_said_in_words_that_json_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = strictly(capsys, "show")
    [step] = shown["steps"]
    assert [SAID] * 3 == [shown["final_context"], shown["input"], step["input"]]
    assert [DEEP] * 2 == [shown["output"], step["output"]]
    assert SAID == step["decision"]["metadata"]
    assert SAID == step["decision"]["evaluations"][0]["item_data"]
    assert SAID == {each["path"]: each["after"] for each in step["context_changes"]}


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("command", ["show --step step", "trace", "spans", "list", "stats"])
def test_so_does_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    strictly(capsys, *command.split())
