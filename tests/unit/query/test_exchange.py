"""What went into a span and what came out of it, under each name that programs record it by."""

import json
from typing import Any

import pytest

from flujo_otel.query.exchange import Exchange, exchange_of

QUESTION = {"role": "user", "parts": [{"type": "text", "content": "Sunny?"}]}
CALL = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "name": "look", "arguments": {"n": 1}}],
}
RESULT = {
    "role": "user",
    "parts": [{"type": "tool_call_response", "name": "look", "result": "yes"}],
}
ANSWER = {"role": "assistant", "parts": [{"type": "text", "content": "It is."}]}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, (None, None)),
        ({"input.value": "a", "output.value": "b"}, ("a", "b")),
        ({"input.value": "a", "gen_ai.input.messages": json.dumps([QUESTION])}, ("a", None)),
        (
            {
                "gen_ai.input.messages": json.dumps([QUESTION]),
                "gen_ai.output.messages": json.dumps([ANSWER]),
            },
            ("Sunny?", "It is."),
        ),
        (
            {"gen_ai.tool.call.arguments": {"n": 1}, "gen_ai.tool.call.result": "yes"},
            ('{"n": 1}', "yes"),
        ),
        ({"tool_arguments": "{}", "tool_response": "yes"}, ("{}", "yes")),
        (
            {
                "pydantic_ai.all_messages": json.dumps([QUESTION, CALL, RESULT, ANSWER]),
                "final_result": "It is.",
            },
            ("Sunny?", "It is."),
        ),
        ({"pydantic_ai.all_messages": [QUESTION, CALL, RESULT, ANSWER]}, ("Sunny?", "It is.")),
        ({"gen_ai.input.messages": "no JSON"}, ("no JSON", None)),
        ({"gen_ai.input.messages": "[1]"}, ("[1]", None)),
        ({"gen_ai.output.messages": "[]"}, (None, None)),
    ],
)
def test_each_name(attributes: dict[str, Any], expected: tuple[str | None, str | None]) -> None:
    found = exchange_of(attributes)
    assert expected == (found.input, found.output)


def test_a_conversation_is_told_by_role_and_its_last_message_is_what_was_asked() -> None:
    found = exchange_of({"gen_ai.input.messages": json.dumps([QUESTION, CALL, RESULT])})
    assert found == Exchange(
        'user: Sunny?\nassistant: look({"n": 1})\nuser: look returned yes',
        None,
        "user: look returned yes",
        frozenset({"gen_ai.input.messages"}),
    )


def test_of_an_agent_that_was_handed_messages_its_own_question_counts() -> None:
    earlier = {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
    attributes = {
        "pydantic_ai.all_messages": json.dumps([earlier, ANSWER, QUESTION, ANSWER]),
        "pydantic_ai.new_message_index": 2,
    }
    assert exchange_of(attributes).input == "Sunny?"


def test_what_says_the_same_under_two_names_is_read_from_both() -> None:
    attributes = {"input.value": "a", "flujo.input": "a", "input.mime_type": "text/plain"}
    assert exchange_of(attributes).read == frozenset(attributes)


def test_messages_that_are_nested_too_deep_are_told_as_they_stand() -> None:
    deep = f'[{{"role": "user", "content": {"[" * 200}{"]" * 200}}}]'
    assert exchange_of({"gen_ai.input.messages": deep}).input == deep
