"""Of a final context, what fits on a line is its program's own."""

import pytest

from flujo_otel_cli.final_context import own_first


def test_the_programs_own_fields_come_first() -> None:
    text = '{"run_id": "r", "initial_prompt": "", "hitl_history": [], "answer": "é", "docs": [1]}'
    assert own_first(text) == (
        '{"answer": "é", "docs": [1], "run_id": "r", "initial_prompt": "", "hitl_history": []}'
    )


@pytest.mark.parametrize("text", [None, '{"status": "x", "count": 3}', "[1]", "{cut off"])
def test_what_is_no_context_of_flujos_stays_as_it_is(text: str | None) -> None:
    assert own_first(text) == text
