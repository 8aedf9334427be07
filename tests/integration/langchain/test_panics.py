"""A value or an error whose own code panics ends no chain."""

import pytest
from langchain_core.runnables import RunnableLambda

from support.langchain_runs import Traced
from support.panics import NOT_SHOWN, Frame, Speechless


def test_a_value_that_cannot_be_shown_is_recorded_as_such(traced: Traced) -> None:
    chain = RunnableLambda(lambda _: Frame()).with_config(run_name="make") | RunnableLambda(
        lambda _: "used"
    )
    assert chain.invoke(1, config=traced.config) == "used"
    assert traced.facts("make")["output.value"] == f'"{NOT_SHOWN}"'


def test_an_error_without_words_is_the_program_s_own(traced: Traced) -> None:
    def fails(_: int) -> None:
        raise Speechless

    with pytest.raises(Speechless):
        RunnableLambda(fails).invoke(1, config=traced.config)
    message = traced.facts("fails")["flujo.error"]
    assert message == "Speechless: <Speechless: PanicException in str()>"
