"""What stands beneath a span's line: its error with the place in the code, how it was decided,
attributes, events."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from flujo_otel.model import Event, Run, Span
from flujo_otel.query.decision import Decision, decision_of
from flujo_otel.query.failure import Failure, Location, failure_of, is_users_own, repeats
from flujo_otel.query.tree import Node, walk
from flujo_otel.semconv import graph
from flujo_otel.semconv.flujo import EXCEPTION_STACKTRACE, FALLBACK_ORIGINAL_ERROR
from flujo_otel_cli import decision as decisions
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len, cut, escape, head, value_text, wrapped
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import duration

_MESSAGE_LINES = 4
"""Of a message, as a validation error's, the first lines; `lens show --step` has all."""
_WRAPPED_LINES = 3
"""Of each of those, on a terminal that has no room for it."""
_REASONS_SHOWN = 3
_ROOM_LEAST = 20
_EXECUTION = re.compile("([0-9a-f]{32})-[0-9a-f]{16}")
_BODY_INDENT = 4
"""Columns before what is told of a step or span that is opened, at most."""


class Drawing(NamedTuple):
    """What is to be shown, and the run's id as shown; `run_name`: what the reader called it; `db`:
    the database, where --db named it."""

    shown_id: str
    run_name: str
    depth: int | None = None
    attributes: bool = False
    events: bool = False
    unfold: bool = False
    db: str | None = None
    outer_id: str = ""
    """The run that it is in, as shown."""
    inside: Mapping[str, "Inner"] = {}
    """Runs in it, by their ids."""


class Inner(NamedTuple):
    """A run inside the one that is drawn, and its id as shown."""

    run: Run
    shown_id: str


class Details:
    """Lines beneath the nodes of `roots`."""

    def __init__(self, roots: list[Node], drawing: Drawing, to: Terminal) -> None:
        self.drawing = drawing
        self.to = to
        self.failures = unexplained_failures(roots)
        self._names = _names(roots) if self.failures else Counter()
        self._decision: tuple[Node | None, Decision | None] = (None, None)

    def notes(self, node: Node) -> Iterator[str]:
        """What was decided in `node`, for its own line."""
        decision = self._decision_of(node)
        return iter(()) if decision is None else decisions.notes(decision, self.to.theme)

    def lines(self, node: Node, guides: str) -> list[Line]:
        """Everything beneath `node`, each line behind its `guides`."""
        room = self.to.width - cell_len(guides)
        return [[Piece(guides, "dim"), *line] for line in self._lines(node, room)]

    def _lines(self, node: Node, room: int) -> Iterator[Line]:
        if node in self.failures:
            yield from failure_lines(self.failures[node], self.to, self._hint(node), room)
        if node.span is None:
            return
        yield from original_lines(node.span, self.to, room)
        yield from reason_lines(node.span, self.to, room)
        decision = self._decision_of(node)
        if decision is not None:
            yield from decisions.glance(decision, self.to)
        if self.drawing.attributes:
            yield from attribute_lines(node.span, self.to)
        if self.drawing.events:
            yield from event_lines(node.span, self.to)

    def _decision_of(self, node: Node) -> Decision | None:
        """Read once for a node's line and for what is beneath it."""
        if self._decision[0] is not node:
            self._decision = node, decision_of(node.span.attributes) if node.span else None
        return self._decision[1]

    def _hint(self, node: Node) -> str:
        """The command that shows more of a failed span, of a run's root of the run."""
        if node.span is None:
            return ""
        inner = self.drawing.inside.get(node.span.run_id)
        run_name = inner.shown_id if inner else self.drawing.run_name
        if node.is_run_root:
            return hint("show", run_name, db=self.drawing.db)
        # A name that is not shown as it is cannot be pasted, nor does one that others have too open
        # this span alone; an id always can.
        is_enough = escape(node.name) == node.name and self._names[node.name] == 1
        name = node.name if is_enough else node.span.span_id
        return hint("show", run_name, "--step", name, db=self.drawing.db)


def _names(roots: list[Node]) -> Counter[str]:
    """How many nodes have each name, the folded ones too."""
    return Counter(
        each.name
        for node, _ in walk(roots)
        for each in (node.fold.members if node.fold is not None else [node])
    )


def unexplained_failures(roots: list[Node]) -> dict[Node, Failure]:
    """Failures by node, but for those that only repeat what failed beneath them: of these the place
    counts where what failed was in a library."""
    failures: dict[Node, Failure] = {}
    said: dict[Node, dict[str, Node]] = {}
    for node in reversed([node for node, _ in walk(roots)]):  # children before their parents
        below = {k: v for child in node.children for k, v in said.pop(child, {}).items()}
        said[node] = below
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


def failure_lines(
    failure: Failure, to: Terminal, hint: str = "", room: int | None = None
) -> Iterator[Line]:
    """What went wrong and where: a terminal of which `room` columns are left (None: all) gets it in
    as many lines as it takes, for what is cut off is what one looks for."""
    room = max(to.width if room is None else room, _ROOM_LEAST)
    for text in failure.message.rstrip().split("\n", _MESSAGE_LINES)[:_MESSAGE_LINES]:
        yield from message_lines(text, to, room)
    where = f"at {place(failure.location)}" if failure.location is not None else ""
    opens: Line = [Command(hint, "dim")] if hint else []
    if where and hint and (not to.cuts or cell_len(where) + 3 + cell_len(hint) <= room):
        yield [Piece(f"{where}   ", "dim"), *opens]
        return
    if where:
        lines = broken(where, room) if to.cuts else [where]
        yield from ([Piece(line, "dim")] for line in lines)
    if opens:
        yield opens


def original_lines(span: Span, to: Terminal, room: int) -> Iterator[Line]:
    """Of which execution a graph's run is the replay, or goes on: by the id of that one's trace,
    which names its run to every command."""
    original = span.attributes.get(graph.ORIGINAL_EXECUTION_ID)
    if original is None:
        return
    word = "goes on with" if span.attributes.get(graph.IS_RESUMED) else "replay of"
    execution = _EXECUTION.fullmatch(str(original))
    said = execution[1] if execution else brief(str(original))
    text = cut(said, max(room - len(word) - 1, _ROOM_LEAST), to.theme.ellipsis) if to.cuts else said
    yield [Piece(f"{word} {text}", "dim")]


def reason_lines(span: Span, to: Terminal, room: int) -> Iterator[Line]:
    """Why it was tried again, or something else in its place: a line each, of the first few."""
    if not span.events and FALLBACK_ORIGINAL_ERROR not in span.attributes:
        return
    from flujo_otel.query.attempts import reasons_of  # most trees have none to tell

    reasons = list(reasons_of(span))
    for word, reason in reasons[:_REASONS_SHOWN]:
        said = brief(reason.split("\n", 1)[0])
        text = cut(said, max(room - len(word) - 8, _ROOM_LEAST), to.theme.ellipsis)
        yield [Piece(f"{word} after ", "dim"), Piece(text if to.cuts else said)]
    if len(reasons) > _REASONS_SHOWN:
        yield [Piece(f"and after {len(reasons) - _REASONS_SHOWN:,} more", "dim")]


def message_lines(text: str, to: Terminal, room: int) -> Iterator[Line]:
    """One line of a message: a pipe gets it as it is."""
    style = STYLES["failed"]
    if not to.cuts:
        yield [Piece(escape(text), style)]
        return
    lines = wrapped(text[: room * (_WRAPPED_LINES + 1)], room) or [""]
    shown = lines[:_WRAPPED_LINES]
    if len(shown) < len(lines):
        shown[-1] = cut(shown[-1] + to.theme.ellipsis, room, to.theme.ellipsis)
    yield from ([Piece(line, style)] for line in shown)


def broken(text: str, room: int) -> Iterator[str]:
    """`text`, which is escaped, in lines of `room` columns, the further ones indented."""
    first, *rest = wrapped(text, room)
    yield first
    if rest:
        left = text[len(first) :].lstrip()
        yield from (f"  {line}" for line in wrapped(left, room - 2))


def place(location: Location) -> str:
    """`app.py:41 in answer`, the file as seen from here."""
    file = location.file
    here = os.getcwd() + os.sep  # noqa: PTH109  (pathlib is slow to import)
    return escape(f"{file.removeprefix(here)}:{location.line} in {location.function}")


def attribute_lines(
    span: Span, to: Terminal, without: Collection[str] = (), *, whole: bool = False
) -> Iterator[Line]:
    """`key = value`, in order of the keys; `whole`: in as many lines as a value takes."""
    limit = to.width if to.cuts else None
    for key in sorted(span.attributes.keys() - set(without)):
        value = span.attributes[key]
        if whole:
            yield from _whole_lines(key, value, to)
            continue
        text = value_text(value)
        yield [Piece(f"{head(key, limit)} = ", "dim"), Piece(text[:limit] if limit else text)]


def _whole_lines(key: str, value: object, to: Terminal) -> Iterator[Line]:
    """A value of one line that fits beside its key, else beneath it."""
    lines = value.rstrip("\n").splitlines() if isinstance(value, str) else [value_text(value)]
    front = f"{escape(key)} = "
    room = max(to.width - _BODY_INDENT, _ROOM_LEAST)
    if len(lines) <= 1 and (not to.cuts or cell_len(front + value_text(value)) <= room):
        yield [Piece(front, "dim"), Piece(escape("".join(lines)))]
        return
    yield [Piece(front, "dim")]
    for line in lines:
        parts = wrapped(line, room - 2) or [""] if to.cuts else [escape(line)]
        yield from ([Piece(f"  {part}")] for part in parts)


def event_lines(span: Span, to: Terminal, *, whole: bool = False) -> Iterator[Line]:
    """`+offset  name  key=value`; `whole`: its attributes beneath it, in as many lines as they
    take."""
    for event in span.events:
        offset = duration(event.time_ns - span.start_time_ns, to.theme.micro)
        front, text = Piece(f"+{offset}  ", "dim"), _event_text(event, to)
        has_lines = any("\n" in str(value) for _, value in _told(event))
        too_long = to.cuts and cell_len(f"{front.text}{text}") > to.width - _BODY_INDENT
        if not whole or not (has_lines or too_long):
            yield [front, Piece(text)]
            continue
        yield [front, Piece(escape(event.name))]
        for key, value in _told(event):
            yield from ([Piece("  "), *line] for line in _whole_lines(key, value, to))


def _told(event: Event) -> Iterator[tuple[str, object]]:
    """A stack's last line is said; `lens show --step` has all of it."""
    return ((k, v) for k, v in event.attributes.items() if k != EXCEPTION_STACKTRACE)


def _event_text(event: Event, to: Terminal) -> str:
    attributes = (f"{escape(key)}={value_text(value)}" for key, value in _told(event))
    return "  ".join([head(event.name, to.width), *attributes])
