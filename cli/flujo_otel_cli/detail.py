"""What stands beneath a span's line: its error with the place in the code, how it was decided,
attributes, events."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from flujo_otel.model import Event, Run, Span
from flujo_otel.query.decision import Decision, decision_of
from flujo_otel.query.failure import Failure, Location, failure_of, is_users_own
from flujo_otel.query.tree import Node, walk
from flujo_otel_cli import decision as decisions
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.runs import shell_word
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape, head, value_text
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import duration

_MESSAGE_LINES = 4
"""Of a message, as a validation error's, the first lines; `lens show --step` has all."""


class Drawing(NamedTuple):
    """What is to be shown, and the run's id as shown; `run_name`: what the reader called it."""

    shown_id: str
    run_name: str
    depth: int | None = None
    attributes: bool = False
    events: bool = False
    unfold: bool = False
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
        return [[Piece(guides, "dim"), *line] for line in self._lines(node)]

    def _lines(self, node: Node) -> Iterator[Line]:
        if node in self.failures:
            yield from failure_lines(self.failures[node], self.to, self._hint(node))
        if node.span is None:
            return
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
        """The command that shows more of a failed span; a run's root is what the header is of."""
        if node.span is None or node.is_run_root:
            return ""
        # A name that is not shown as it is cannot be pasted, nor does one that others have too open
        # this span alone; an id always can.
        is_enough = escape(node.name) == node.name and self._names[node.name] == 1
        name = node.name if is_enough else node.span.otel_span_id
        inner = self.drawing.inside.get(node.span.run_id)
        run_name = inner.shown_id if inner else self.drawing.run_name
        return f"lens show {shell_word(run_name)} --step {shell_word(name)}"


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
        first = next((at for message, at in below.items() if _repeats(failure, message)), None)
        if first is None:
            failures[node] = failure
            said[node] = {failure.message: node}
        elif is_users_own(failure.location) and not is_users_own(failures[first].location):
            failures[first] = failures[first]._replace(location=failure.location)
    return failures


def _repeats(failure: Failure, message: str) -> bool:
    """Whether it says no more than what was said below: flujo wraps a message, or unwraps it."""
    return message in failure.message or failure.message in message


def failure_lines(failure: Failure, to: Terminal, hint: str = "") -> Iterator[Line]:
    limit = to.width if to.cuts else None
    for text in failure.message.rstrip().split("\n", _MESSAGE_LINES)[:_MESSAGE_LINES]:
        yield [Piece(head(text, limit), STYLES["failed"])]
    if failure.location is not None:
        line = [Piece(f"at {place(failure.location)}", "dim")]
        yield [*line, Piece(f"   {hint}", "dim")] if hint else line
    elif hint:
        yield [Piece(hint, "dim")]


def place(location: Location) -> str:
    """`app.py:41 in answer`, the file as seen from here."""
    file = location.file
    here = os.getcwd() + os.sep  # noqa: PTH109  (pathlib is slow to import)
    return escape(f"{file.removeprefix(here)}:{location.line} in {location.function}")


def attribute_lines(span: Span, to: Terminal, without: Collection[str] = ()) -> Iterator[Line]:
    """`key = value`, in order of the keys."""
    limit = to.width if to.cuts else None
    for key in sorted(span.attributes.keys() - set(without)):
        text = value_text(span.attributes[key])
        yield [Piece(f"{head(key, limit)} = ", "dim"), Piece(text[:limit] if limit else text)]


def event_lines(span: Span, to: Terminal) -> Iterator[Line]:
    for event in span.events:
        offset = duration(event.time_ns - span.start_time_ns, to.theme.micro)
        yield [Piece(f"+{offset}  ", "dim"), Piece(_event_text(event, to))]


def _event_text(event: Event, to: Terminal) -> str:
    attributes = (
        f"{escape(key)}={value_text(value)}"
        for key, value in event.attributes.items()
        if key != "exception.stacktrace"  # its last line is said; `lens show --step` has all
    )
    return "  ".join([head(event.name, to.width), *attributes])
