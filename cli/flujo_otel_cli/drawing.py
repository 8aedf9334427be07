"""A whole run drawn: its header, its tree, and what to say where there is none."""

from collections.abc import Iterator

from flujo_otel.model import Run, Step
from flujo_otel.query.branches import group_branches
from flujo_otel.query.fold import fold
from flujo_otel.query.resume import mark_resumed
from flujo_otel.query.rounds import group_rounds
from flujo_otel.query.timeline import Window, window_of
from flujo_otel.query.tree import Node
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel_cli import amounts
from flujo_otel_cli.detail import Details
from flujo_otel_cli.header import header
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece, flowed
from flujo_otel_cli.notes import notes
from flujo_otel_cli.picture import Drawing
from flujo_otel_cli.runs import end_of, spent, status_within
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape
from flujo_otel_cli.tree import TreeView


def draw(
    run: Run, roots: list[Node], drawing: Drawing, to: Terminal, now_ns: int
) -> Iterator[Line]:
    """All lines; alters `roots`."""
    inside = [inner.run for inner in drawing.inside.values()]
    yield from header(run, drawing.shown_id, to, now_ns, outer_id=drawing.outer_id, inside=inside)
    mark_resumed(roots)
    group_rounds(roots)
    group_branches(roots)
    window = window_of(roots, Window(run.start_time_ns, end_of(run, now_ns)))
    root, tops = top_level(run, roots)
    if not drawing.unfold:
        tops = fold(tops)
    if root is not None:
        root.children = tops
    details = Details([root] if root else tops, drawing, to)
    if root is not None:
        yield from _said_of(root, run, to)
        yield from details.lines(root, "")
    yield from TreeView(run, tops, window, details, now_ns).lines()


def _said_of(root: Node, run: Run, to: Terminal) -> Iterator[Line]:
    """What explains the run, as it does a span, but for what is in the header."""
    in_header = (spent(run), run.status)
    found = (note for note in notes(root, None, to.theme) if note not in in_header)
    said = [[Piece(note, "dim")] for note in found]
    between = Piece("  ")
    if to.cuts:
        yield from flowed(said, to.width, between)
    elif said:
        yield [piece for note in said for piece in (between, *note)][1:]


def top_level(run: Run, roots: list[Node]) -> tuple[Node | None, list[Node]]:
    """The run's own root, where the header already says all of it, and what stands below it."""
    named = (PIPELINE_RUN, run.pipeline_name)
    root = next((node for node in roots if node.is_run_root and node.name in named), None)
    if root is None:
        return None, roots
    tops = [*root.children, *(node for node in roots if node is not root)]
    return root, sorted(tops, key=lambda node: node.start_time_ns)


def no_spans(
    run: Run, steps: list[Step], run_name: str, to: Terminal, db: str | None
) -> Iterator[Line]:
    """Said in place of a tree; `db`: what --db named."""
    if not steps:
        yield [Piece("This run has no spans.")]
        return
    yield [Piece(f"This run has no spans, but {amounts.plural(len(steps), 'step')}:")]
    for step in steps:
        mark = to.theme.mark(status_within(run, step.status, step.end_time_ns))
        yield [Piece(f"{mark} {escape(step.step_name)}")]
    yield [Command(hint("show", run_name, db=db), "dim")]
