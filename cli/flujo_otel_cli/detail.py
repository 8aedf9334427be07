"""What stands beneath a span's line: its error with the place in the code, how it was decided,
attributes, events."""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from flujo_otel.model import Event, Span
from flujo_otel.query.tree import Node
from flujo_otel.semconv import graph, xray
from flujo_otel.semconv.flujo import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE
from flujo_otel_cli.failures import ROOM_LEAST, failure_lines, reason_lines, unexplained_failures
from flujo_otel_cli.handle import handle_of
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.picture import Drawing
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len, cut, escape, head, value_text
from flujo_otel_cli.times import duration

if TYPE_CHECKING:
    from flujo_otel.query.decision import Decision

_EXECUTION = re.compile("([0-9a-f]{32})-[0-9a-f]{16}")
_EXCEPTION = (EXCEPTION_STACKTRACE, EXCEPTION_TYPE, EXCEPTION_MESSAGE, "exception.escaped")
_BODY_INDENT = 4
"""Columns before what is told of a step or span that is opened, at most."""


class Details:
    """Lines beneath the nodes of `roots`."""

    def __init__(self, roots: list[Node], drawing: Drawing, to: Terminal) -> None:
        self.drawing = drawing
        self.to = to
        self.failures = unexplained_failures(roots)
        self._decision: tuple[Node | None, Decision | None] = (None, None)

    def notes(self, node: Node) -> Iterator[str]:
        """What was decided in `node`, for its own line."""
        decision = self._decision_of(node)
        if decision is not None:
            from flujo_otel_cli.decision import notes  # few runs tell of any

            yield from notes(decision, self.to.theme)

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
            from flujo_otel_cli.decision import glance

            yield from glance(decision, self.to)
        if self.drawing.attributes:
            yield from attribute_lines(node.span, self.to)
        if self.drawing.events:
            yield from event_lines(node.span, self.to)

    def _decision_of(self, node: Node) -> "Decision | None":
        """Read once for a node's line and for what is beneath it."""
        if self._decision[0] is not node:
            self._decision = node, _decision_in(node.span) if node.span else None
        return self._decision[1]

    def _hint(self, node: Node) -> str:
        """The command that shows more of a failed span, of a run's root of the run."""
        if node.span is None:
            return ""
        inner = self.drawing.inside.get(node.span.run_id)
        run_name = inner.shown_id if inner else self.drawing.run_name
        if node.is_run_root:
            return hint("show", run_name, db=self.drawing.db)
        opens = handle_of(node.span, named_so=self.drawing.names.get(node.span.name, 0))
        return hint("show", run_name, "--step", opens, db=self.drawing.db)


def _decision_in(span: Span) -> "Decision | None":
    if span.attributes.keys().isdisjoint(xray.DECISION):
        return None
    from flujo_otel.query.decision import decision_of

    return decision_of(span.attributes)


def original_lines(span: Span, to: Terminal, room: int) -> Iterator[Line]:
    """Of which execution a graph's run is the replay, or goes on: by the id of that one's trace,
    which names its run to every command."""
    original = span.attributes.get(graph.ORIGINAL_EXECUTION_ID)
    if original is None:
        return
    word = "goes on with" if span.attributes.get(graph.IS_RESUMED) else "replay of"
    execution = _EXECUTION.fullmatch(str(original))
    said = execution[1] if execution else brief(str(original))
    text = cut(said, max(room - len(word) - 1, ROOM_LEAST), to.theme.ellipsis) if to.cuts else said
    yield [Piece(f"{word} {text}", "dim")]


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
    front = to.spelled_text(f"{escape(key)} = ")
    room = max(to.width - _BODY_INDENT, ROOM_LEAST)
    said = to.spelled_text(value_text(value))
    if len(lines) <= 1 and (not to.cuts or cell_len(front + said) <= room):
        yield [Piece(front, "dim"), Piece(escape("".join(lines)))]
        return
    yield [Piece(front, "dim")]
    for line in lines:
        parts = to.wrapped(line, room - 2) or [""] if to.cuts else [escape(line)]
        yield from ([Piece(f"  {part}")] for part in parts)


def event_lines(
    span: Span, to: Terminal, *, whole: bool = False, told: Event | None = None
) -> Iterator[Line]:
    """`+offset  name  key=value`; `whole`: its attributes beneath it, in as many lines as they
    take. `told`: the exception that is told elsewhere."""
    for event in span.events:
        offset = duration(event.time_ns - span.start_time_ns, to.theme.micro)
        said = _said(event, is_told=event is told)
        front, text = Piece(f"+{offset}  ", "dim"), _event_text(event, said, to)
        has_lines = any("\n" in str(value) for value in said.values())
        too_long = to.cuts and cell_len(f"{front.text}{text}") > to.width - _BODY_INDENT
        if not whole or not (has_lines or too_long):
            yield [front, Piece(text)]
            continue
        yield [front, Piece(escape(event.name))]
        for key, value in said.items():
            yield from ([Piece("  "), *line] for line in _whole_lines(key, value, to))


def _said(event: Event, *, is_told: bool) -> dict[str, object]:
    """A stack's last line is said; `lens show --step` has all of it."""
    left_out = _EXCEPTION if is_told else _EXCEPTION[:1]
    return {key: value for key, value in event.attributes.items() if key not in left_out}


def _event_text(event: Event, said: dict[str, object], to: Terminal) -> str:
    attributes = (f"{escape(key)}={value_text(value)}" for key, value in said.items())
    return "  ".join([head(event.name, to.width), *attributes])
