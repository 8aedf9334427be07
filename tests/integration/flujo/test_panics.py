"""A value whose own code panics where tracing reads it, and flujo does not, ends no run."""

from typing import Any

import pytest
from flujo.utils import serialization

from support.flujo_runs import Traced
from support.flujo_steps import call, pipe
from support.panics import Array


async def make(_: Any) -> Array:
    return Array()


async def use(_: Any) -> str:
    return "used"


def test_a_value_that_cannot_be_read_is_recorded_as_such(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(serialization._custom_serializers, Array, lambda _: "an array")
    result = traced.run(pipe(call(make, "make"), call(use, "use")))
    assert result.step_history[-1].output == "used"
    said = '"<Array cannot be shown: PanicException>"'
    assert traced.named("make").attributes["output.value"] == said
    assert traced.named("use").attributes["input.value"] == said
