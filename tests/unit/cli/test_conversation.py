"""`lens show` of what a model was asked and answered."""

import json
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Span
from flujo_otel.query.exchange import exchange_of
from flujo_otel_cli.conversation import MESSAGES_SHOWN, opened_exchange, told_exchange
from flujo_otel_cli.span import opened
from unit.cli.lens import answer
from unit.cli.scenes import MS, START_NS, a_run, a_span, a_step, store
from unit.cli.screen import screen, shown

ASKED = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?\nAnd where?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}},
        ],
    },
    {"role": "assistant", "tool_calls": [{"name": "look", "args": {"place": "Bonn"}}]},
    {"role": "tool", "name": "look", "content": "rain"},
]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "Bonn,\nin the rain."}]}]


def a_call(**attributes: Any) -> Span:
    given = {"input.value": json.dumps(ASKED), "gen_ai.output.messages": json.dumps(ANSWER)}
    return a_span(1, "chat", 0, 1, attributes=given | attributes)


def drawn(span: Span, *, full: bool = False, **of_screen: Any) -> str:
    to = screen(**of_screen)
    return shown(to, opened_exchange(span, exchange_of(span.attributes), to, full=full))


@pytest.mark.parametrize("cuts", [True, False])
def test_a_conversation_is_drawn_message_by_message(cuts: bool) -> None:
    assert drawn(a_call(), cuts=cuts).splitlines() == [
        "   in",
        "     system     Be brief.",
        "     user       What is this?",
        "                And where?",
        "                [image image/png, 3,000 bytes]",
        '     assistant  calls look({"place": "Bonn"})',
        "     tool       look returned rain",
        "   out",
        "     assistant  Bonn,",
        "                in the rain.",
    ]


def test_where_there_is_no_room_beside_who_says_it_it_stands_beneath() -> None:
    said = json.dumps([{"role": "assistant", "content": "word " * 12}])
    out = drawn(a_span(1, "chat", 0, 1, attributes={"output.value": said}), width=40)
    assert out.splitlines() == [
        "   out",
        "     assistant",
        "       word word word word word word",
        "       word word word word word word",
    ]


def test_a_long_one_is_cut_on_a_terminal_and_full_shows_it_all() -> None:
    said = [{"role": "user", "content": f"Question {n}?"} for n in range(50)]
    span = a_span(1, "chat", 0, 1, attributes={"input.value": json.dumps(said)})
    out = drawn(span).splitlines()
    assert len(out) == 1 + MESSAGES_SHOWN + 1
    assert out[2:5] == [
        "     user  Question 1?",
        "     30 more messages: --full shows them",
        "     user  Question 32?",
    ]
    for whole in (drawn(span, full=True), drawn(span, cuts=False)):
        assert whole.count("Question") == 50


def test_a_long_message_is_cut_on_a_terminal_and_full_shows_it_all() -> None:
    said = json.dumps([{"role": "user", "content": "line\n" * 50}])
    span = a_span(1, "chat", 0, 1, attributes={"input.value": said})
    assert drawn(span).count("line") == 20
    assert drawn(span).endswith("--full shows the rest\n")
    assert drawn(span, full=True).count("line") == drawn(span, cuts=False).count("line") == 50


def test_what_a_request_has_beside_its_messages_is_told() -> None:
    request = json.dumps({"model": "m", "messages": ASKED[:1]})
    span = a_span(1, "chat", 0, 1, attributes={"input.value": request})
    assert drawn(span).endswith("     with  model=m\n")
    assert drawn(span, full=True).endswith('     with\n       {\n         "model": "m"\n       }\n')


def test_control_codes_in_messages_and_roles_are_shown() -> None:
    said = json.dumps([{"role": "user", "content": "\x1b[31mred\r"}])
    out = drawn(a_span(1, "chat", 0, 1, attributes={"input.value": said}))
    assert "\\x1b[31mred" in out and "\x1b" not in out and "\r" not in out


def test_a_refused_answer_is_drawn_at_length_and_in_a_line() -> None:
    said = json.dumps([{"role": "assistant", "content": None, "refusal": "I cannot."}])
    span = a_span(1, "chat", 0, 1, attributes={"gen_ai.output.messages": said})
    assert drawn(span) == "   out\n     assistant  refused: I cannot.\n"
    to = screen()
    told = shown(to, told_exchange(span, exchange_of(span.attributes), to, full=False))
    assert told == "   out    refused: I cannot.\n"


@pytest.mark.parametrize(
    ("roles", "expected"),
    [("system user", "last"), ("assistant assistant", "first"), ("assistant user", "last")],
)
def test_of_what_came_out_a_line_tells_what_it_came_to(roles: str, expected: str) -> None:
    said = [
        {"role": role, "content": content}
        for role, content in zip(roles.split(), ("first", "last"), strict=True)
    ]
    span = a_span(1, "prompt", 0, 1, attributes={"output.value": json.dumps(said)})
    to = screen()
    out = shown(to, told_exchange(span, exchange_of(span.attributes), to, full=False))
    assert out.strip() == f"out    {expected}"


def test_messages_are_not_repeated_among_the_attributes() -> None:
    fields = {"llm.input_messages.0.message.role": "user"}
    fields["llm.input_messages.0.message.content"] = "Sunny?"
    raw = '{"messages": ["ChatMessage(Sunny?)"]}'
    span = a_span(1, "chat", 0, 1, attributes={**fields, "input.value": raw, "x": 1})
    to = screen()
    out = shown(to, opened(a_run(), span, to, START_NS + MS, full=False))
    assert out.endswith("   in\n     user  Sunny?\nattributes\n  x = 1\n")
    whole = shown(screen(), opened(a_run(), span, screen(), START_NS + MS, full=True))
    assert raw in whole and "llm.input_messages" not in whole


def test_among_other_steps_the_last_message_and_the_answer_stand_on_a_line_each(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = a_step(2, "chat", 0, 1, 1, attributes=dict(a_call().attributes))
    store(here / "flujo_otel.db", [a_span(1, "run", 0, 9, role=2), step])
    out = answer(capsys, "show")[1]
    assert "   in     look returned rain\n   out    Bonn,\\nin the rain.\n" in out
