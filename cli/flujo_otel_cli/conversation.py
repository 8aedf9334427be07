"""What a model was asked and answered, as a conversation: who says it, text, calls of tools."""

import json
from collections.abc import Iterator, Sequence

from flujo_otel.model import Span
from flujo_otel.query.conversation import Conversation, Side, conversation_of
from flujo_otel.query.exchange import Exchange, exchange_of
from flujo_otel.query.message import Message
from flujo_otel.query.part import Kind, Part
from flujo_otel.semconv import openinference
from flujo_otel_cli.content import LINES_SHOWN, PIPED_MOST, content_lines, opened_lines
from flujo_otel_cli.decision import facts_text
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len, escape

MESSAGES_SHOWN = 20
"""Of a conversation on a terminal; `--full` shows the rest."""
_FIRST = 2
"""Of those, so many are from its beginning, where its instructions are."""
_INDENT = 5
_ROLE_MOST = 12
_BESIDE_FROM = 60
"""Columns from which what is said stands beside who says it."""
_LEAST = 20
_STYLES = {Kind.CALL: "cyan", Kind.THOUGHT: "dim", Kind.MEDIA: "dim", Kind.OTHER: "dim"}


def opened_exchange(
    span: Span | None, exchange: Exchange, to: Terminal, *, full: bool
) -> Iterator[Line]:
    """What went in and came out at length: as messages where `span` has any."""
    found = conversation_of(span) if span is not None else Conversation()
    sides = (
        ("   in   ", exchange.input, found.asked),
        ("   out  ", exchange.output, found.answered),
    )
    for label, text, side in sides:
        if side.messages:
            yield [Piece(label, "dim")]
            yield from _side_lines(side, to, full=full)
        else:
            yield from opened_lines(label, text, to, full=full)


def told_exchange(
    span: Span | None, exchange: Exchange, to: Terminal, *, full: bool
) -> Iterator[Line]:
    """The same in a line each: of a conversation its last message, and the answer."""
    if full:
        yield from opened_exchange(span, exchange, to, full=True)
        return
    found = conversation_of(span) if span is not None else Conversation()
    given = _in_short(exchange.asked, found.asked.messages[-1:])
    answered = _in_short(exchange.output, _last_of(found.answered.messages))
    yield from content_lines("   in   ", given, to, full=False, piped=PIPED_MOST)
    yield from content_lines("   out  ", answered, to, full=False, piped=PIPED_MOST)


def drawn_of(span: Span, *, full: bool) -> frozenset[str]:
    """The attributes that `opened_exchange` draws, and but for `full` those that have the same
    messages as a program made them."""
    found, drawn = conversation_of(span), exchange_of(span.attributes).read
    read = found.asked.read | found.answered.read
    if full and found.asked.messages:
        drawn -= {openinference.INPUT_VALUE, openinference.INPUT_MIME_TYPE}
    if full and found.answered.messages:
        drawn -= {openinference.OUTPUT_VALUE, openinference.OUTPUT_MIME_TYPE}
    return drawn | read


def _last_of(answered: Sequence[Message]) -> Sequence[Message]:
    """What a conversation came to, a prompt's too; of a model's choices the first."""
    are_choices = all(each.role == "assistant" for each in answered)
    return answered[:1] if are_choices else answered[-1:]


def _in_short(text: str | None, messages: Sequence[Message]) -> str | None:
    """A message instead of the JSON that has it, or of nothing; other text stays."""
    is_text = text is not None and text.lstrip()[:1] not in ("", "{", "[")
    return text if is_text or not messages else str(messages[0])


def _side_lines(side: Side, to: Terminal, *, full: bool) -> Iterator[Line]:
    width = min(max(cell_len(escape(each.role)) for each in side.messages), _ROLE_MOST)
    shown = list(side.messages)
    hidden = len(shown) - MESSAGES_SHOWN if to.cuts and not full else 0
    for index, message in enumerate(shown):
        if hidden > 0 and index == _FIRST:
            yield [Piece(f"{' ' * _INDENT}{hidden:,} more messages: --full shows them", "dim")]
        if not (hidden > 0 and _FIRST <= index < _FIRST + hidden):
            yield from _message_lines(message, width, to, full=full)
    if side.beside and full:
        yield from content_lines("     with", json.dumps(side.beside), to, full=True)
    elif side.beside:
        yield [Piece(f"     with  {facts_text(side.beside, to)}", "dim")]


def _message_lines(message: Message, width: int, to: Terminal, *, full: bool) -> Iterator[Line]:
    """Who says it, and what: beside it, or beneath where there is no room."""
    role = brief(message.role, _ROLE_MOST)
    is_beside = to.width >= _BESIDE_FROM
    blank = " " * (_INDENT + (width + 2 if is_beside else 2))
    front = f"{' ' * _INDENT}{role:{width}}  "
    said = list(_said(message, max(to.width - len(blank), _LEAST), to, full=full))
    if not is_beside or not said:
        yield [Piece(front, "dim")]
        front = blank
    for line in said:
        yield [Piece(front, "dim"), line]
        front = blank


def _said(message: Message, room: int, to: Terminal, *, full: bool) -> Iterator[Piece]:
    left = None if full or not to.cuts else LINES_SHOWN
    for part in message.parts:
        lines = _part_lines(part, room, left, to)
        yield from (Piece(line, _STYLES.get(part.kind, "")) for line in lines[:left])
        if left is not None:
            if len(lines) > left:
                yield Piece("--full shows the rest", "dim")
                return
            left -= len(lines)


def _part_lines(part: Part, room: int, most: int | None, to: Terminal) -> list[str]:
    """Its own line breaks stay; of a huge one, no more is wrapped than can be shown."""
    text = f"calls {part}" if part.kind is Kind.CALL else str(part)
    if not to.cuts:
        return [escape(line) for line in text.splitlines()]
    return to.wrapped(text if most is None else text[: room * (most + 1)], room)
