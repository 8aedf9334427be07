"""Whatever a program recorded where messages are looked for: never an error, nothing lost, soon."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flujo_otel.model import Event
from flujo_otel.query.conversation import Conversation, conversation_of
from flujo_otel.query.exchange import exchange_of
from flujo_otel_cli.conversation import drawn_of, opened_exchange, told_exchange
from unit.cli.scenes import a_span
from unit.cli.screen import screen, shown

ATTRIBUTES = [
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"),
    *("gen_ai.prompt", "gen_ai.completion", "events", "all_messages_events"),
    *("pydantic_ai.all_messages", "input.value", "output.value"),
]
PREFIXES = [
    *("llm.input_messages.", "llm.output_messages.", "gen_ai.prompt.", "gen_ai.completion."),
]
EVENTS = ["gen_ai.user.message", "gen_ai.tool.message", "gen_ai.choice", "gen_ai.content.prompt"]
NAMES = [
    *("role", "type", "content", "parts", "contents", "message", "messages", "choices", "kwargs"),
    *("lc", "id", "tool_calls", "function_call", "functionCall", "function", "name", "arguments"),
    *("message_content", "additional_kwargs", "around", "audio", "refusal", "candidates", "text"),
    *("reasoning_content", "inlineData", "image_url", "data", "url", "mime_type", "response"),
    *("tool_call_id", "tool_use_id", "event.name", "finish_reason", "thought", "status", "args"),
]
WORDS = [
    *("user", "assistant", "tool", "text", "tool_call", "tool_use", "tool_result", "thinking"),
    *("image", "image_url", "blob", "refusal", "gen_ai.choice", "gen_ai.user.message", "c1"),
    *("data:image/png;base64,AAAA", "\x1b[31m\r\n\x00", "\ud800", "\u2026 3 more"),
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text()), inner, max_size=6),
    ),
    max_leaves=25,
)
MESSAGES = st.builds(
    lambda role, fields: fields | {"role": role, "content": fields.get("content")},
    st.sampled_from(["user", "assistant", "tool", "human"]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no defect; how long megabytes take is measured below."""
FORMS = st.one_of(VALUES, MESSAGES, st.lists(MESSAGES, max_size=3))


def drawn(
    attributes: dict[str, Any], events: tuple[Event, ...] = (), *, full: bool = True, cuts: bool
) -> str:
    span = a_span(1, "chat", 0, 1, attributes=attributes, events=events)
    to = screen(cuts=cuts)
    exchange = exchange_of(span.attributes)
    assert isinstance(drawn_of(span, full=full), frozenset)
    told = shown(to, told_exchange(span, exchange, to, full=full))
    return shown(to, opened_exchange(span, exchange, to, full=full)) + told


@given(
    st.dictionaries(st.sampled_from(ATTRIBUTES), FORMS, min_size=1), st.booleans(), st.booleans()
)
@settings(SLOW, max_examples=120)
@example({"input.value": [{"role": "tool", "content": [{"type": ["x"]}]}]}, False, False)
def test_an_attribute_may_have_any_value(found: dict[str, Any], as_text: bool, full: bool) -> None:
    attributes = {name: json.dumps(each) if as_text else each for name, each in found.items()}
    for cuts in (True, False):
        out = drawn(attributes, full=full, cuts=cuts)
        assert "\x1b" not in out and "\r" not in out


@given(
    st.sampled_from(PREFIXES),
    st.dictionaries(
        st.lists(st.sampled_from([*NAMES, "0", "1", ""]), min_size=1, max_size=5).map(".".join),
        VALUES,
    ),
)
@settings(SLOW)
def test_fields_may_have_any_name_and_value(prefix: str, fields: dict[str, Any]) -> None:
    message = {f"{prefix}0.role": "user", f"{prefix}0.content": "x"}
    given_fields = {f"{prefix}{key}": value for key, value in fields.items()}
    drawn(message | given_fields, cuts=False)


@given(
    st.lists(st.tuples(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(NAMES), VALUES)))
)
@settings(SLOW)
def test_events_may_have_any_fields(found: list[tuple[str, dict[str, Any]]]) -> None:
    whole = {"gen_ai.prompt": [fields for _, fields in found]}
    events = [Event(name, 0, fields | whole) for name, fields in found]
    drawn({}, tuple(events), cuts=False)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str) and value.startswith("w"):
        yield value


SAID = [
    *("content", "text", "refusal", "reasoning_content", "thinking", "arguments", "input", "name"),
    *("response", "result", "output", "function", "tool_calls", "functionCall", "transcript"),
    *("function_response", "summary", "annotations", "parts", "thought", "additional_kwargs"),
    *("message", "kwargs", "toolUse", "tool_result", "message_content", "around", "status"),
]
KINDS = [
    *("text", "tool_call", "tool_use", "tool_result", "function_call", "thinking", "refusal"),
    *("security", "user_profile", "custom"),
]
"""None of media: what stands beside an image is cut."""
PIECES = st.recursive(
    st.integers(0, 10**6).map(lambda n: f"w{n}"),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(SAID), inner, max_size=4),
        st.builds(
            lambda kind, fields: {"type": kind, **fields},
            st.sampled_from(KINDS),
            st.dictionaries(st.sampled_from(SAID), inner, max_size=3),
        ),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(SAID), PIECES, max_size=6))
@settings(SLOW, max_examples=250, derandomize=True)
@example({"content": {"type": "thinking", "content": "w0", "thought": "w1"}})
def test_every_word_of_a_message_is_drawn(fields: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None} | fields
    span = a_span(1, "chat", 0, 1, attributes={"gen_ai.output.messages": [message]})
    found = conversation_of(span).answered
    if found.messages:
        said = set(re.findall(r"w\d+", str(found.messages[0])))
        assert [word for word in texts(message) if word not in said] == []


@pytest.mark.parametrize("deep", [60, 66, 988, 20_000])
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_depth_is_no_error(name: str, deep: int) -> None:
    for begin, end in (("[", "]"), ('{"content":', "}"), ('{"message":', "}")):
        value = f"{begin * deep}null{end * deep}"
        for text in (
            *(value, f'[{{"role": "user", "content": {value}}}]'),
            f'{{"messages": [{{"role": "user", "content": "x"}}], "x": {value}}}',
            f'[{{"event.name": "gen_ai.choice", "content": {value}}}]',
            f'{{"candidates": [{{"content": {{"role": "model", "parts": {value}}}}}]}}',
        ):
            drawn(
                {"gen_ai.input.messages": '[{"role":"user","content":"x"}]', name: text}, cuts=True
            )
    native: Any = "x"
    for _ in range(deep):
        native = {"content": [native]}
    assert conversation_of(a_span(1, "chat", 0, 1, attributes={name: [native]})) == Conversation()


CALL = {"name": "f", "args": {}}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x" * 2_000_000},
        {"content": "\x1b" * 500_000},
        {"content": [{"type": "text", "text": "x"}] * 20_000},
        {"content": [{"type": "image", "data": " " * 2_000_000 + "!"}]},
        {"content": [{"type": "image", "data": "A" * 2_000_000}]},
        {"content": [{"type": "x" * 2_000_000}]},
        {"content": [{"type": "image_" * 300_000}]},
        {
            "content": [{"type": "tool_use", "name": f"f{n}"} for n in range(10_000)],
            "tool_calls": [{"name": f"g{n}"} for n in range(10_000)],
        },
        {"content": "x", **{f"f{n}": n for n in range(50_000)}},
        {"content": "x", "X" * 1_000_000: "y"},
    ],
)
def test_megabytes_are_drawn_soon(message: dict[str, Any]) -> None:
    value = json.dumps([{"role": "user"} | message])
    began = time.process_time()
    out = drawn({"gen_ai.input.messages": value}, full=False, cuts=True)
    assert time.process_time() - began < 5
    assert out.count("\n") < 40
