"""Two runs side by side, ready to be compared: each with its tree and the runs inside it."""

from typing import NamedTuple

from flujo_otel.model import Run, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.query.alignment import Pair, align
from flujo_otel.query.branches import group_branches
from flujo_otel.query.comparison import Comparison, Particulars
from flujo_otel.query.resume import mark_resumed
from flujo_otel.query.rounds import group_rounds
from flujo_otel.query.spending import Spent, spending_of
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel.semconv import openinference
from flujo_otel_cli.content import parsed
from flujo_otel_cli.drawing import top_level
from flujo_otel_cli.picture import Drawing, picture_of
from flujo_otel_cli.runs import status_within
from flujo_otel_cli.session import Session


class Side(NamedTuple):
    """One of the two runs; `root`: its own span, where that says no more than the run does."""

    run: Run
    drawing: Drawing
    root: Node | None
    tops: list[Node]
    particulars: Particulars

    @property
    def all_runs(self) -> list[Run]:
        """With those inside it."""
        return [self.run, *(inner.run for inner in self.drawing.inside.values())]

    def run_of(self, node: Node) -> Run:
        """The run that it belongs to."""
        while node.span is None:  # a round or a branch
            node = node.children[0]
        inner = self.drawing.inside.get(node.span.run_id)
        return self.run if inner is None else inner.run


class Sides(NamedTuple):
    """The run that is compared with, and the one that is compared."""

    base: Side
    other: Side

    def compared(self) -> Comparison:
        """Node by node; the runs themselves at the top, where both have a span of their own."""
        base, other = self.base, self.other
        if base.root is not None and other.root is not None:
            pairs = [Pair(base.root, other.root, align(base.tops, other.tops))]
        else:
            pairs = align(base.tops, other.tops)
        return Comparison(pairs, base.particulars, other.particulars)


def side_of(session: Session, run: Run) -> Side:
    """All that is known of `run`, of one without spans its steps."""
    picture = picture_of(session.reader, run, db=session.db)
    roots, drawing = picture.roots, picture.drawing
    roots = roots or build_tree(_as_spans(session.reader.steps(run.run_id)))
    mark_resumed(roots)
    spent = _spent(run, roots, drawing)
    group_rounds(roots)
    group_branches(roots)
    root, tops = top_level(run, roots)
    if root is not None:
        root.children = tops
    ids = [each for each in (run.run_id, run.trace_id) if each]
    side = Side(run, drawing, root, tops, Particulars(spent, ids, run.end_time_ns is not None))
    for node, _ in walk(roots if root is None else [root]):
        node.status = status_within(side.run_of(node), node.status, node.end_time_ns)
    return side


def _spent(run: Run, roots: list[Node], drawing: Drawing) -> dict[str, Spent]:
    """By span; most runs have no such thing, and are not looked through for it."""
    runs = [run, *(inner.run for inner in drawing.inside.values())]
    is_any = any(each.total_tokens or each.total_cost_usd for each in runs)
    return dict(spending_of(roots).by_span) if is_any else {}


def _as_spans(steps: list[Step]) -> list[Span]:
    """What is known of steps that no span was kept of."""
    return [
        Span(
            span_id=step.step_run_id,
            run_id=step.run_id,
            trace_id="",
            otel_span_id=step.step_run_id,
            otel_parent_id=None,
            name=step.step_name,
            kind=0,
            start_time_ns=step.start_time_ns,
            end_time_ns=None if step.duration_ns is None else step.start_time_ns + step.duration_ns,
            status=step.status,
            status_message=None if step.error is None else str(parsed(step.error)),
            attributes={
                name: text
                for name, text in (
                    (openinference.INPUT_VALUE, step.input),
                    (openinference.OUTPUT_VALUE, step.output),
                )
                if text is not None
            },
            events=(),
            links=(),
            role=Role.STEP,
            cost_usd=step.cost_usd,
            tokens=step.tokens,
        )
        for step in steps
    ]
