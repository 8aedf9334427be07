"""Spans where there are no steps to show: one line each, or opened."""

from collections.abc import Iterator

from flujo_otel.model import Run, Span
from flujo_otel.query.attempts import reasons_of
from flujo_otel.query.decision import decision_of
from flujo_otel.query.exchange import exchange_of
from flujo_otel.query.failure import (
    Failure,
    exception_of,
    failure_of,
    in_full,
    says,
    without_message,
)
from flujo_otel.query.fold import fold
from flujo_otel.query.tree import Fold, Node
from flujo_otel.semconv.flujo import ERROR_MESSAGE, EXCEPTION_MESSAGE, PIPELINE_NAME
from flujo_otel_cli import amounts
from flujo_otel_cli.content import opened_lines
from flujo_otel_cli.conversation import drawn_of, opened_exchange, told_exchange
from flujo_otel_cli.decision import account
from flujo_otel_cli.detail import attribute_lines, event_lines
from flujo_otel_cli.drawing import top_level
from flujo_otel_cli.evaluated import evaluated
from flujo_otel_cli.failures import ROOM_LEAST
from flujo_otel_cli.line import Line, Name, Piece
from flujo_otel_cli.notes import notes, subject_notes, usage_notes
from flujo_otel_cli.run_spans import FirstSpans
from flujo_otel_cli.runs import lasted, status_within
from flujo_otel_cli.stack import broken, place_lines, stack_lines
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import both_ends, brief_name, cell_len, escape, head, value_text
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.unfolding import unfolding

_EXCEPTION, _ERROR, _ATTRIBUTES = "exception  ", "error  ", "attributes  "
_MESSAGES = (ERROR_MESSAGE, "error.message", EXCEPTION_MESSAGE)


def overview(
    run: Run, roots: list[Node], to: Terminal, now_ns: int, *, full: bool, unfold: bool
) -> Iterator[Line]:
    """The top-level spans. `unfold`: each, also where many are equal."""
    root, tops = top_level(run, roots)
    if root is not None and tops:
        yield from _root_lines(run, root, to, full=full)
    # A lone root says as little as the header does: what it did is in its children.
    shown = [root] if root and not tops else tops
    shown = [*shown, *shown[0].children] if len(shown) == 1 else shown
    for node in shown if unfold else fold(shown):
        if node.span is None:
            yield from short_lines(run, node, to, now_ns)
        else:
            is_told = node.is_run_root and node.span.run_id == run.run_id  # beside the header
            yield from _lines(run, node, to, now_ns, is_told=is_told, full=full)


def more_line(first: FirstSpans, noun: str) -> Iterator[Line]:
    """How many spans there are that were not read."""
    if first.more:
        failed = f", {first.more_failed:,} failed" if first.more_failed else ""
        yield [Piece(f"{amounts.plural(first.more, noun)}{failed}: --all shows them.", "dim")]


def short_lines(run: Run, node: Node, to: Terminal, now_ns: int) -> Iterator[Line]:
    """A span with what explains it, or many as one."""
    if node.fold is not None:
        yield from unfolding(_fold_line(run, node, node.fold, to, now_ns), "  ", to)
        return
    assert node.span is not None
    said = "  ".join(notes(node, None, to.theme))
    heading = _heading(run, node.span, node.name, to, now_ns)
    yield [*heading, Piece(f"  {said}" if said else "", "dim")]


def opened(
    run: Run, span: Span, to: Terminal, now_ns: int, *, name: str | None = None, full: bool
) -> Iterator[Line]:
    """Everything about one span. `name`: what it is called, where not by its own name."""
    said = "  ".join([*subject_notes(span), *usage_notes(span, to.theme)])
    heading = _heading(run, span, span.name if name is None else name, to, now_ns)
    yield [*heading, Piece(f"  {said}" if said else "", "dim")]
    yield from opened_exchange(span, exchange_of(span.attributes), to, full=full)
    yield from decided(span, to, full=full)
    failure = failure_of(span) if span.status == "failed" else None
    if failure is not None and span.status_message:
        told = in_full(failure, span.status_message)
        if told is None:
            yield from opened_lines(
                _ERROR.strip(), span.status_message, to, full=full, style=STYLES["failed"]
            )
        failure = told or failure
    yield from body(span, to, full=full, failure=failure)


def decided(span: Span, to: Terminal, *, full: bool) -> Iterator[Line]:
    """How it was decided; all that was evaluated and ranked in tables."""
    decision = decision_of(span.attributes)
    if decision is not None:
        yield from account(decision._replace(candidates=()), to, full=full)
        yield from evaluated(decision, to, full=full)


def body(
    span: Span,
    to: Terminal,
    *,
    full: bool,
    failure: Failure | None,
    is_told: bool = False,
    without: frozenset[str] = frozenset(),
) -> Iterator[Line]:
    """Why it was tried again; its `failure`, unless that `is_told` already; its events, its links,
    and its attributes `without` these, and without those that are drawn or say the failure
    again."""
    for word, reason in reasons_of(span):
        yield from opened_lines(f"{word} after", reason, to, full=full)
    exception = exception_of(span)
    if failure is not None and not is_told:
        yield from failure_text(failure, to, _ERROR if exception is None else _EXCEPTION, full=full)
    whole = full or not to.cuts
    if span.events:
        yield [Piece("events", "dim")]
        told = exception if failure is not None else None
        yield from _indented(event_lines(span, to, whole=whole, told=told))
    if span.links:
        yield [Piece("links", "dim")]
        yield from _indented(_link_lines(span, to))
    drawn = without | drawn_of(span, full=full) | _decided_by(span) | _said_by(failure, span)
    attributes = list(_indented(attribute_lines(span, to, without=drawn, whole=whole)))
    if attributes:
        yield [Piece("attributes", "dim")]
        yield from attributes


def _said_by(failure: Failure | None, span: Span) -> frozenset[str]:
    """The attributes that say its message once more."""
    if failure is None:
        return frozenset()
    said = ((key, span.attributes.get(key)) for key in _MESSAGES)
    return frozenset(
        key for key, text in said if isinstance(text, str) and text and says(failure, text)
    )


def failure_text(failure: Failure, to: Terminal, label: str, *, full: bool) -> Iterator[Line]:
    """All of the message, once, and the stack: what is too long for the terminal goes on beneath,
    but for the places in the code, which stay on their lines, without `full`."""
    failure = _spelled(failure if full else without_message(failure), to)
    indent = " " * (2 + len(label) - len(label.lstrip()))
    first, *more = failure.message.split("\n")
    room = to.width - len(label) if to.cuts else None
    for index, line in enumerate(_within(first, room)):
        yield [
            Piece(" " * len(label) if index else label, "dim"),
            Piece(line, STYLES["failed"]),
        ]
    room = to.width - len(indent) if to.cuts else None
    for text in more:
        yield from ([Piece(f"{indent}{line}", STYLES["failed"])] for line in _within(text, room))
    if failure.location is not None:
        yield from ([Piece(indent + line, "dim")] for line in place_lines(failure.location, room))
    if failure.stack is not None:
        lines = _stack_lines(failure.stack, to, room, full=full)
        yield from ([Piece(indent + line, "dim")] for line in lines)


def _spelled(failure: Failure, to: Terminal) -> Failure:
    """As it is written here, for it is laid out."""
    stack = None if failure.stack is None else to.spelled_text(failure.stack)
    return failure._replace(message=to.spelled_text(failure.message), stack=stack)


def _stack_lines(stack: str, to: Terminal, room: int | None, *, full: bool) -> Iterator[str]:
    room = None if room is None else max(room, ROOM_LEAST)
    if room is None or not full:
        return stack_lines(stack, room, to.theme.ellipsis)
    return (line for text in stack.rstrip().split("\n") for line in _within(text, room))


def _link_lines(span: Span, to: Terminal) -> Iterator[Line]:
    """By the ids that `lens show TRACE --step SPAN` opens, with what is said of each."""
    room = to.width - 2 if to.cuts else None
    for link in span.links:
        said = (f"{key}={value_text(value)}" for key, value in sorted(link.attributes.items()))
        text = "  ".join([f"span {link.span_id} of trace {link.trace_id}", *said])
        yield from ([Piece(line)] for line in _within(text, room))


def _within(text: str, room: int | None) -> list[str]:
    is_marker = not text.strip(" ^~")  # what it points at is broken elsewhere
    if room is None or cell_len(escape(text)) <= room or is_marker:
        return [escape(text)]
    return list(broken(escape(text), max(room, ROOM_LEAST)))


def _decided_by(span: Span) -> frozenset[str]:
    """The attributes that a decision was read from, and those that say what its `llm` does."""
    decision = decision_of(span.attributes)
    if decision is None:
        return frozenset()
    said = [value for value in decision.llm.values() if value is not None]
    twice = (
        key for key, value in span.attributes.items() if key[:7] == "gen_ai." and value in said
    )
    return decision.read.union(twice)


def _indented(lines: Iterator[Line]) -> Iterator[Line]:
    return ([Piece("  "), *line] for line in lines)


def _fold_line(run: Run, node: Node, folded: Fold, to: Terminal, now_ns: int) -> Line:
    """Many equal spans: how many, what they took, the worst of them."""
    status = status_within(run, node.status, node.end_time_ns)
    took = lasted(run, node.start_time_ns, node.end_time_ns, now_ns, to.theme)
    return [
        Piece(f"{to.theme.mark(status)} ", STYLES.get(status, "")),
        Name(brief_name(node.name), "bold"),
        Piece(f" {to.theme.times}{len(folded.members):,}", "bold"),
        Piece("  " + "  ".join([took, *notes(node, None, to.theme)]), "dim"),
    ]


def _heading(run: Run, span: Span, name: str, to: Terminal, now_ns: int) -> Line:
    status = status_within(run, span.status, span.end_time_ns)
    took = lasted(run, span.start_time_ns, span.end_time_ns, now_ns, to.theme)
    return [
        Piece(f"{to.theme.mark(status)} ", STYLES.get(status, "")),
        Name(both_ends(name, to.width if to.cuts else None) or "(no name)", "bold"),
        Piece(f"  {took}", "dim"),
    ]


def _lines(
    run: Run, node: Node, to: Terminal, now_ns: int, *, is_told: bool, full: bool
) -> Iterator[Line]:
    """A span: beneath it what went in and came out, where it says so; else its attributes."""
    assert node.span is not None
    exchange = exchange_of(node.span.attributes)
    if not exchange.read and not drawn_of(node.span, full=full):
        heading = _heading(run, node.span, node.name, to, now_ns)
        told = _told_of(run, node.span) if is_told else frozenset[str]()
        yield [*heading, Piece(_attributes_text(node.span, to, told), "dim")]
        return
    yield from short_lines(run, node, to, now_ns)
    if not is_told:
        yield from told_exchange(node.span, exchange, to, full=full)


def _root_lines(run: Run, root: Node, to: Terminal, *, full: bool) -> Iterator[Line]:
    """What the run's own span says beside what the header does: an HTTP server's route, say."""
    span = root.span
    if span is None:
        return
    told = _told_of(run, span) | exchange_of(span.attributes).read | drawn_of(span, full=full)
    said = _attributes_text(span, to._replace(width=to.width - len(_ATTRIBUTES)), told).strip()
    if said:
        yield [Piece(_ATTRIBUTES, "dim"), Piece(said, "dim")]


def _told_of(run: Run, span: Span) -> frozenset[str]:
    """The attributes of its root that the header says, or that stand beneath it."""
    named = {PIPELINE_NAME} if span.attributes.get(PIPELINE_NAME) == run.pipeline_name else ()
    ids = (key for key, value in span.attributes.items() if value == run.run_id)
    return _decided_by(span).union(named, ids)


def _attributes_text(span: Span, to: Terminal, without: frozenset[str]) -> str:
    limit = to.width if to.cuts else None
    said = "  ".join(
        head(f"{key}={value_text(value)}", limit)
        for key, value in sorted(span.attributes.items())
        if key not in without
    )
    return f"  {head(said, limit)}" if said else ""
