"""What a model was asked and answered, in each form that programs record it in."""

import json
from typing import Any

import pytest

from flujo_otel.model import Event
from flujo_otel.query.conversation import conversation_of
from flujo_otel.query.message import Message
from flujo_otel.query.part import Kind
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


def one(message: dict[str, Any]) -> str:
    """As it is drawn: the attribute that it stands in counts as read."""
    asked, _, read = told({"gen_ai.input.messages": json.dumps([message])})
    assert read == {"gen_ai.input.messages"}
    return asked[0]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None, "refusal": "I cannot."}, "refused: I cannot."),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, "refused: No."),
        ({"content": "Yes.", "reasoning_content": "Hm."}, "Hm. Yes."),
        (
            {"content": None, "audio": {"id": "a", "data": "AAAA", "transcript": "It rains."}},
            "It rains. [audio 3 bytes]",
        ),
        ({"content": "", "additional_kwargs": {"refusal": "No."}}, "refused: No."),
        ({"content": "x", "name": "Ann"}, 'x with {"name": "Ann"}'),
        ({"content": "x", "score": 0, "empty": [None, {"a": ""}]}, 'x with {"score": 0}'),
        ({"content": 0}, "0"),
        ({"content": "", "parts": []}, ""),
        ({"content": [{"text": "Hm.", "thought": True}]}, "Hm."),
        (
            {"content": [{"type": "text", "text": "x", "citations": [1]}]},
            'x with {"citations": [1]}',
        ),
        (
            {"message": {"role": "user", "content": "x"}, "logprobs": [1], "role": "tool"},
            'x with {"around": {"role": "tool"}} with {"logprobs": [1]}',
        ),
    ],
)
def test_nothing_of_a_message_is_lost(message: dict[str, Any], expected: str) -> None:
    role = "user" if "message" in message else "assistant"
    assert one({"role": "assistant"} | message) == f"{role}: {expected}"


def test_a_refusal_and_a_thought_have_kinds_of_their_own() -> None:
    value = [{"role": "assistant", "refusal": "No.", "reasoning_content": "Hm."}]
    span = a_span(1, "chat", 0, 1, attributes={"gen_ai.output.messages": value})
    parts = conversation_of(span).answered.messages[0].parts
    assert [part.kind for part in parts] == [Kind.THOUGHT, Kind.REFUSAL]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "security", "text": "hello"}, 'hello with {"type": "security"}'),
        ({"type": "user_profile", "text": "hello"}, 'hello with {"type": "user_profile"}'),
        (
            {"type": "file_search_call", "queries": ["x"]},
            '{"type": "file_search_call", "queries": ["x"]}',
        ),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, "[image image/png, 3 bytes]"),
        ({"fileData": {"fileUri": "http://x/y"}}, "[file http://x/y]"),
        ({"image": {"format": "png", "source": {"bytes": "AAAA"}}}, "[image png, 3 bytes]"),
        (
            {"functionCall": {"name": "look", "args": {"n": 1}}, "thoughtSignature": "x"},
            'look({"n": 1})',
        ),
        ({"type": "functionCall", "name": "look", "args": {}}, "look({})"),
        (
            {"type": "image_url", "image_url": {"url": "http://x/y", "detail": "high"}},
            '[image http://x/y] with {"image_url.detail": "high"}',
        ),
        ({"type": "image", "text": "A house."}, "A house. [image]"),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:a/pdf;base64,AAAA"}},
            "[file a.pdf, a/pdf, 3 bytes]",
        ),
        ({"type": "uri", "uri": "x" * 300}, f"[file {'x' * 200}… (100 more)]"),
        (
            {"type": "tool_call", "name": "look", "arguments": "1.10", "caller": "me"},
            'look(1.10) with {"caller": "me"}',
        ),
    ],
)
def test_parts_are_told_apart_by_whole_words(part: Any, expected: str) -> None:
    assert one({"role": "user", "content": [part]}) == f"user: {expected}"


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (0, "0"),
        (False, "false"),
        ("", '""'),
        (None, ""),
        ([], "[]"),
        ({}, "{}"),
        ([1, "a"], '[1, "a"]'),
        ({"image": "cat", "n": 0}, '{"image": "cat", "n": 0}'),
        ([{"text": "a", "score": 1}], '[{"text": "a", "score": 1}]'),
        ([{"type": ["x"]}], '[{"type": ["x"]}]'),
        ([{"type": "text", "text": "a"}, {"type": "image", "data": "AAAA"}], "a [image 3 bytes]"),
    ],
)
def test_what_a_tool_returned_is_told_whatever_it_is(returned: Any, expected: str) -> None:
    response = {"type": "tool_call_response", "name": "look", "response": returned}
    inner = {"functionResponse": {"name": "look", "response": returned}}
    for message in (
        {"role": "tool", "name": "look", "content": returned},
        {"role": "user", "parts": [response]},
        {"role": "user", "parts": [inner]},
    ):
        assert one(message) == f"tool: look returned {expected}"


def test_that_a_tool_failed_is_told() -> None:
    result = {"type": "tool_result", "tool_use_id": "c", "content": "no", "is_error": True}
    said = one({"role": "user", "content": [result]})
    assert said == 'tool: tool returned no with {"is_error": true}'


def test_a_result_is_not_named_after_a_call_that_has_no_id() -> None:
    asked = [
        {"role": "assistant", "tool_calls": [{"name": "look", "args": {}}]},
        {"role": "tool", "content": "no"},
    ]
    assert told({"input.value": json.dumps(asked)})[0][1] == "tool: tool returned no"


def test_of_two_calls_that_are_alike_none_is_lost() -> None:
    call = {"name": "look", "args": {}}
    calls = [{"id": "c1", **call}, {"id": "c2", **call}]
    message = {"role": "assistant", "content": [{"type": "tool_use", **calls[0]}]}
    assert one(message | {"tool_calls": calls}) == "assistant: look({}) look({})"
    again = {"tool_calls": [{"id": "c1", "type": "function", "function": calls[0]}]}
    assert one(message | {"additional_kwargs": again}) == "assistant: look({})"


def test_instructions_leave_what_was_recorded_beside_the_messages() -> None:
    request = json.dumps({"model": "m", "temperature": 0, "messages": OPENAI[1:]})
    attributes = {"gen_ai.input.messages": request, "gen_ai.system_instructions": "Be brief."}
    side = conversation_of(a_span(1, "chat", 0, 1, attributes=attributes)).asked
    assert side.beside == {"model": "m", "temperature": 0}
    assert str(side.messages[0]) == "Be brief." and side.read == frozenset(attributes)


def test_what_gemini_says_of_its_answer_is_told() -> None:
    answer = {"content": {"role": "model", "parts": []}, "finishReason": "SAFETY", "x": [1]}
    found = told({"output.value": json.dumps({"candidates": [answer]})})[1]
    assert found == ['model: with {"x": [1]} (ended by safety)']


def test_numbers_in_texts_of_events_stay_as_they_were_said() -> None:
    events = (Event("gen_ai.user.message", 0, {"content": "1.10"}),)
    assert told({}, events)[0] == ["user: 1.10"]


@pytest.mark.parametrize("other", [{"event.name": "x", "body": "y"}, "text"])
def test_events_of_which_some_are_not_drawn_are_not_counted_as_read(other: Any) -> None:
    events = [{"event.name": "gen_ai.user.message", "content": "Sunny?"}, other]
    assert told({"events": json.dumps(events)}) == (["user: Sunny?"], [], frozenset())


def test_fields_that_find_no_place_in_a_message_are_not_counted_as_read() -> None:
    fields = {"0.message.role": "user", "0.message.content": "x", "0.message.content.y": "z"}
    prefixed = {f"llm.input_messages.{key}": value for key, value in fields.items()}
    asked, _, read = told(prefixed)
    assert asked == ["user: x"]
    assert read == set(prefixed) - {"llm.input_messages.0.message.content.y"}
