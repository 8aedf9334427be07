"""What a model was asked and answered, in each form that programs record it in."""

import json
from typing import Any

import pytest

from flujo_otel.model import Event
from flujo_otel.query.conversation import conversation_of
from flujo_otel.query.message import Kind, Message
from unit.cli.scenes import a_span

ASKED = ["system: Be brief.", "user: Sunny?", 'assistant: look({"n": 1})', "tool: look returned no"]
ANSWERED = ["assistant: It rains."]
OPENAI = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Sunny?"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "look", "arguments": '{"n":1}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "no"},
]
SEMCONV = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Sunny?"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"n": 1}}],
    },
    {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "response": "no"}]},
]
ANTHROPIC = [
    {"role": "user", "content": "Sunny?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"n": 1}}],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [{"type": "text", "text": "no"}],
            }
        ],
    },
]
SEMCONV_ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "It rains."}]}]
FIELDS = {
    "0.message.role": "system",
    "0.message.content": "Be brief.",
    "1.message.role": "user",
    "1.message.contents.0.message_content.type": "text",
    "1.message.contents.0.message_content.text": "Sunny?",
    "2.message.role": "assistant",
    "2.message.tool_calls.0.tool_call.id": "c1",
    "2.message.tool_calls.0.tool_call.function.name": "look",
    "2.message.tool_calls.0.tool_call.function.arguments": '{"n": 1}',
    "3.message.role": "tool",
    "3.message.tool_call_id": "c1",
    "3.message.content": "no",
}
NUMBERED = {
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "Sunny?",
    "gen_ai.prompt.2.role": "assistant",
    "gen_ai.prompt.2.tool_calls.0.id": "c1",
    "gen_ai.prompt.2.tool_calls.0.name": "look",
    "gen_ai.prompt.2.tool_calls.0.arguments": '{"n": 1}',
    "gen_ai.prompt.3.role": "tool",
    "gen_ai.prompt.3.tool_call_id": "c1",
    "gen_ai.prompt.3.content": "no",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "It rains.",
    "gen_ai.completion.0.finish_reason": "stop",
}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "It rains."}}
EVENTS = [
    ("gen_ai.system.message", {"content": "Be brief."}),
    ("gen_ai.user.message", {"content": "Sunny?"}),
    ("gen_ai.assistant.message", {"tool_calls": json.dumps(OPENAI[2]["tool_calls"])}),
    ("gen_ai.tool.message", {"id": "c1", "content": "no"}),
    ("gen_ai.choice", {"index": 0, "message": json.dumps(CHOICE["message"])}),
]
LANGCHAIN = [
    [
        {"lc": 1, "id": ["langchain", "HumanMessage"], "kwargs": {"content": "Sunny?"}},
        {
            "lc": 1,
            "id": ["langchain", "AIMessageChunk"],
            "kwargs": {"content": "", "tool_calls": [{"name": "look", "args": {"n": 1}}]},
        },
    ]
]


def told(
    attributes: dict[str, Any], events: tuple[Event, ...] = ()
) -> tuple[list[str], list[str], frozenset[str]]:
    found = conversation_of(a_span(1, "chat", 0, 1, attributes=attributes, events=events))
    return (
        [f"{each.role}: {each}" for each in found.asked.messages],
        [f"{each.role}: {each}" for each in found.answered.messages],
        found.asked.read | found.answered.read,
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai.input.messages": json.dumps(SEMCONV),
            "gen_ai.output.messages": json.dumps(SEMCONV_ANSWER),
        },
        {
            "gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]',
            "gen_ai.input.messages": SEMCONV[1:],
            "gen_ai.output.messages": SEMCONV_ANSWER,
        },
        {f"llm.input_messages.{key}": value for key, value in FIELDS.items()}
        | {
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "It rains.",
        },
        NUMBERED,
        {"gen_ai.prompt": json.dumps(OPENAI), "gen_ai.completion": json.dumps([CHOICE["message"]])},
        {"events": json.dumps([{"event.name": name, **fields} for name, fields in EVENTS])},
        {"pydantic_ai.all_messages": json.dumps([*SEMCONV, *SEMCONV_ANSWER])},
        {"input.value": json.dumps(OPENAI), "output.value": json.dumps(CHOICE["message"])},
    ],
    ids=[
        *("semconv", "instructions", "openinference", "numbered", "prompt", "pydantic-ai 1"),
        *("agent", "input.value"),
    ],
)
def test_each_form_of_attributes(attributes: dict[str, Any]) -> None:
    assert told(attributes) == (ASKED, ANSWERED, frozenset(attributes))


def test_events_of_the_span() -> None:
    events = tuple(Event(name, 0, fields) for name, fields in EVENTS)
    assert told({}, events) == (ASKED, ANSWERED, frozenset())


def test_an_event_with_all_of_them() -> None:
    events = (
        Event("gen_ai.content.prompt", 0, {"gen_ai.prompt": json.dumps(OPENAI)}),
        Event("gen_ai.content.completion", 0, {"gen_ai.completion": json.dumps(CHOICE["message"])}),
    )
    assert told({}, events) == (ASKED, ANSWERED, frozenset())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"model": "m", "messages": ANTHROPIC}, ASKED[1:]),
        ({"messages": LANGCHAIN}, ASKED[1:3]),
        ({"contents": [{"role": "model", "parts": [{"text": "Hm."}]}]}, ["model: Hm."]),
    ],
    ids=["anthropic", "langchain", "gemini"],
)
def test_requests_of_providers(value: dict[str, Any], expected: list[str]) -> None:
    assert told({"input.value": json.dumps(value)})[0] == expected


@pytest.mark.parametrize(
    "value",
    [
        {"choices": [CHOICE], "usage": {"total_tokens": 3}},
        {"generations": [[{"message": {"role": "ai", "content": "It rains."}}]]},
        {"candidates": [{"content": {"role": "assistant", "parts": [{"text": "It rains."}]}}]},
    ],
    ids=["openai", "langchain", "gemini"],
)
def test_answers_of_providers(value: dict[str, Any]) -> None:
    assert told({"output.value": json.dumps(value)})[1] == ANSWERED


def test_what_a_request_has_beside_its_messages_is_kept() -> None:
    attributes = {"input.value": json.dumps({"model": "m", "messages": OPENAI, "seed": None})}
    found = conversation_of(a_span(1, "chat", 0, 1, attributes=attributes))
    assert found.asked.beside == {"model": "m"}


@pytest.mark.parametrize(
    "value",
    [
        *("Sunny?", "[1]", "[]", "{}", "[", "null", '{"messages": []}', '{"messages": "all"}'),
        '[{"role": "admin", "content": "no message"}]',
        '[{"role": "user", "name": "no content"}]',
        '[{"role": {"user": 1}, "content": "x"}]',
        '[{"role": "user", "content": "x"}, "and 3 more items cut"]',
        "[" * 100_000,
    ],
)
def test_what_is_no_conversation_is_none(value: str) -> None:
    names = ("input.value", "gen_ai.input.messages", "output.value", "events", "gen_ai.prompt")
    assert told(dict.fromkeys(names, value)) == ([], [], frozenset())


@pytest.mark.parametrize(
    "fields",
    [
        {"0": "x", "0.message.role": "user"},
        {"0.message.role": "user", "0.message.role.x": "y"},
        {"x": 1},
        {".".join("9" * 5000): "x", "9" * 5000: "y"},
    ],
)
def test_fields_of_another_shape_are_no_conversation(fields: dict[str, Any]) -> None:
    prefixed = {f"llm.input_messages.{key}": value for key, value in fields.items()}
    assert told(prefixed) == ([], [], frozenset())


def test_what_another_attribute_says_otherwise_is_not_counted_as_read() -> None:
    other = json.dumps([{"role": "user", "content": "Windy?"}])
    attributes = {"gen_ai.input.messages": SEMCONV, "input.value": other}
    assert told(attributes)[2] == {"gen_ai.input.messages"}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}},
            "[image image/png, 3,000 bytes]",
        ),
        ({"type": "image_url", "image_url": {"url": "http://x/y.png"}}, "[image http://x/y.png]"),
        ({"type": "uri", "modality": "image", "uri": "http://x/y"}, "[image http://x/y]"),
        ({"type": "blob", "modality": "image", "mime_type": "image/png"}, "[image image/png]"),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
            },
            "[image image/png, 3 bytes]",
        ),
        (
            {
                "message_content": {
                    "type": "image",
                    "image": {"image": {"url": "http://x/y.png"}},
                }
            },
            "[image http://x/y.png]",
        ),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "[audio 3 bytes]"),
        ({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}, "[image image/png, 3 bytes]"),
        ({"type": "binary", "media_type": "image/png"}, "[image image/png]"),
        ({"type": "image-url", "url": "http://x/y"}, "[image http://x/y]"),
        ({"type": "file", "file_id": "f-1"}, "[file f-1]"),
        ({"type": "thinking", "thinking": "Hm."}, "Hm."),
        ({"function_call": {"name": "look", "args": {"n": 1}}}, 'look({"n": 1})'),
        ({"type": "tool_call", "arguments": "{}"}, '{"type": "tool_call", "arguments": "{}"}'),
        ({"type": "odd", "x": 1}, '{"type": "odd", "x": 1}'),
        ("plain", "plain"),
    ],
)
def test_each_part_of_a_message(part: Any, expected: str) -> None:
    value = json.dumps([{"role": "user", "content": [part]}])
    assert told({"input.value": value})[0] == [f"user: {expected}"]


def test_an_answer_that_was_cut_off_says_why() -> None:
    cut_off = [{"role": "assistant", "content": "It", "finish_reason": "length"}]
    found = told({"gen_ai.completion": json.dumps(cut_off)})[1]
    assert found == ["assistant: It (ended by length)"]


def test_a_call_that_is_recorded_twice_is_told_once() -> None:
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {"n": 1}}
    call = {"id": "c1", "name": "look", "args": {"n": 1}}
    said = [{"role": "assistant", "content": [use], "tool_calls": [call]}]
    assert told({"output.value": json.dumps(said)})[1] == ['assistant: look({"n": 1})']


def test_where_a_producer_cut_messages_off_it_says_so() -> None:
    cut = [{"role": "user", "content": "Sunny?"}, "… 3 more items cut"]
    assert told({"input.value": json.dumps(cut)})[0] == ["user: Sunny?", ": … 3 more items cut"]


def test_parts_have_kinds() -> None:
    attributes = {"gen_ai.input.messages": SEMCONV}
    found = conversation_of(a_span(1, "chat", 0, 1, attributes=attributes)).asked.messages
    assert [part.kind for each in found for part in each.parts] == [
        *(Kind.TEXT, Kind.TEXT, Kind.CALL, Kind.RESULT)
    ]
    assert isinstance(found[0], Message)
