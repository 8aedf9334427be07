"""A value or an error whose own code panics does not reach the program by an X-Ray."""

from pathlib import Path
from typing import Any

import pytest

from flujo_otel import XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from support.panics import Array, Frame, Speechless


class Panicking(dict[str, Any]):
    """Data that cannot be read."""

    def items(self) -> Any:
        return repr(Frame())


@pytest.fixture(params=["spans", "storage"])
def xray(request: pytest.FixtureRequest, traced: Any, tmp_path: Path) -> XRay:
    if request.param == "spans":
        return XRay()
    return XRay(storage=SQLiteStorage(tmp_path / "storage.db"))


@pytest.mark.parametrize("value", [{"frame": Frame()}, {Frame(): 1}, Array(), Panicking(a=1)])
def test_whatever_is_handed_in(xray: XRay, value: Any) -> None:
    with xray.trace("t") as trace, trace.step("s") as step:
        trace.set_metadata(value)
        step.set_input(value)
        step.set_output(value)
        step.set_reasoning(value)
        step.add_evaluation("B1", value, [], qualified=True)
        step.add_ranking("B1", item_data=value)
        step.add_llm_metadata("a model", usage=value)
        step.add_event("seen", {"value": value})
    assert (step.step.status, step.step.metadata["llm"]["model"]) == ("completed", "a model")


def test_what_a_traced_function_takes_and_gives(xray: XRay) -> None:
    @xray.traced
    def work(value: Any) -> Any:
        return value

    frame = Frame()
    assert work(frame) is frame


def test_an_error_without_words_is_the_program_s_own(xray: XRay) -> None:
    with pytest.raises(Speechless), xray.trace("t") as trace, trace.step("s") as step:
        raise Speechless
    said = "<Speechless: PanicException in str()>"
    assert (step.step.error, trace.trace.status) == (said, "failed")
