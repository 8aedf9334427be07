"""What failed, where in the code, and what was tried again for it: as lines."""

from collections.abc import Iterator

from flujo_otel.model import Span
from flujo_otel.query.asgi import is_message
from flujo_otel.query.failure import Failure, failure_of, is_users_own, repeats
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv.flujo import FALLBACK_ORIGINAL_ERROR
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.stack import place_lines
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len, cut, escape
from flujo_otel_cli.theme import STYLES

_MESSAGE_LINES = 4
"""Of a message, as a validation error's, the first lines; `lens show --step` has all."""
_WRAPPED_LINES = 3
"""Of each of those, on a terminal that has no room for it."""
_REASONS_SHOWN = 3
ROOM_LEAST = 20
"""Columns: with fewer left of a terminal, lines are longer than it is wide."""


def unexplained_failures(roots: list[Node]) -> dict[Node, Failure]:
    """Failures by node, but for those that only repeat what failed beneath them: of these the place
    counts where what failed was in a library."""
    failures: dict[Node, Failure] = {}
    said: dict[Node, dict[str, Node]] = {}
    nodes = [node for node, _ in walk(roots)]
    silent = {child for node in nodes if node.status == "failed" for child in _messages(node)}
    for node in reversed(nodes):  # children before their parents
        below = {k: v for child in node.children for k, v in said.pop(child, {}).items()}
        said[node] = below
        if node in silent:
            continue
        span = node.fold.worst.span if node.fold else node.span
        failure = failure_of(span) if span is not None and node.status == "failed" else None
        if failure is None:
            continue
        first = next((at for message, at in below.items() if repeats(failure, message)), None)
        if first is None:
            failures[node] = failure
            said[node] = {failure.message: node}
        elif is_users_own(failure.location) and not is_users_own(failures[first].location):
            failures[first] = failures[first]._replace(location=failure.location)
    return failures


def _messages(node: Node) -> Iterator[Node]:
    """Of a web request: what they say of its failure it says itself."""
    return (each for each in node.children if is_message(each.fold.worst if each.fold else each))


def failure_lines(
    failure: Failure, to: Terminal, hint: str = "", room: int | None = None
) -> Iterator[Line]:
    """What went wrong and where: a terminal of which `room` columns are left (None: all) gets it in
    as many lines as it takes, for what is cut off is what one looks for."""
    room = max(to.width if room is None else room, ROOM_LEAST)
    for text in failure.message.rstrip().split("\n", _MESSAGE_LINES)[:_MESSAGE_LINES]:
        yield from message_lines(text, to, room)
    where = place_lines(failure.location, room if to.cuts else None) if failure.location else []
    opens: Line = [Command(hint, "dim")] if hint else []
    is_beside = len(where) == 1 and cell_len(where[0]) + 3 + cell_len(hint) <= room
    if where and hint and (is_beside or not to.cuts):
        yield [Piece(f"{where[0]}   ", "dim"), *opens]
        return
    yield from ([Piece(line, "dim")] for line in where)
    if opens:
        yield opens


def reason_lines(span: Span, to: Terminal, room: int) -> Iterator[Line]:
    """Why it was tried again, or something else in its place: a line each, of the first few."""
    if not span.events and FALLBACK_ORIGINAL_ERROR not in span.attributes:
        return
    from flujo_otel.query.attempts import reasons_of  # most trees have none to tell

    reasons = list(reasons_of(span))
    for word, reason in reasons[:_REASONS_SHOWN]:
        said = brief(reason.split("\n", 1)[0])
        text = cut(said, max(room - len(word) - 8, ROOM_LEAST), to.theme.ellipsis)
        yield [Piece(f"{word} after ", "dim"), Piece(text if to.cuts else said)]
    if len(reasons) > _REASONS_SHOWN:
        yield [Piece(f"and after {len(reasons) - _REASONS_SHOWN:,} more", "dim")]


def message_lines(text: str, to: Terminal, room: int) -> Iterator[Line]:
    """One line of a message: a pipe gets it as it is."""
    style = STYLES["failed"]
    if not to.cuts:
        yield [Piece(escape(text), style)]
        return
    lines = to.wrapped(text[: room * (_WRAPPED_LINES + 1)], room) or [""]
    shown = lines[:_WRAPPED_LINES]
    if len(shown) < len(lines):
        shown[-1] = cut(shown[-1] + to.theme.ellipsis, room, to.theme.ellipsis)
    yield from ([Piece(line, style)] for line in shown)
