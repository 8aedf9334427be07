"""A run's spans as a tree: guide lines, marks, notes, durations, and bars on one axis.

Nothing here recurses, and the guide lines of very deep nodes are shortened: a chain of 10,000 spans
is 10,000 short lines.
"""

from collections.abc import Iterator
from typing import NamedTuple

from flujo_otel.model import Run, RunStatus
from flujo_otel.query.prune import sizes
from flujo_otel.query.timeline import Window, slowest_path
from flujo_otel.query.tree import Node
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel_cli import amounts
from flujo_otel_cli.bar import axis, bar
from flujo_otel_cli.detail import Details
from flujo_otel_cli.line import Line, Name, Piece, cut_line, padded, width_of
from flujo_otel_cli.notes import notes
from flujo_otel_cli.runs import end_of, has_no_end, lasted, status_within
from flujo_otel_cli.text import both_ends, cell_len
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.unfolding import unfold_hint

BARS_FROM = 80
"""Columns from which there are bars; below, durations alone."""
DURATIONS_FROM = 60
"""Columns from which durations have a column of their own; below, they follow the name."""
_TOOK_LEAST = 9
_BAR_LEAST = 16
"""Columns; of what a terminal has beside `BARS_FROM`, half goes to the bars before names do."""
_GAP = 2


class Row(NamedTuple):
    """One node's lines before they are laid out."""

    label: Line
    took: str
    node: Node
    below: list[Line]
    hint: Line
    """Behind the label; where that leaves no room for it, once beneath."""
    guides: Line
    """Before what is beneath it."""

    @property
    def width(self) -> int:
        """Columns of the label that is not cut."""
        return width_of(self.label) + width_of(self.hint)


class _Place(NamedTuple):
    """Where a node stands: below `parent`, behind the `guides` of those above it."""

    node: Node
    parent: Node | None
    guides: str
    depth: int
    is_last: bool
    """Of its siblings."""


def _places(nodes: list[Node], parent: Node | None, guides: str, depth: int) -> list[_Place]:
    """For a stack: the first on top."""
    last = nodes[-1] if nodes else None
    return [_Place(node, parent, guides, depth, node is last) for node in reversed(nodes)]


class TreeView:
    """Draws `roots`, the spans of `run`, with their `details`."""

    def __init__(
        self, run: Run, roots: list[Node], window: Window, details: Details, now_ns: int
    ) -> None:
        self.run = run
        self.roots = roots
        self.window = window
        self.details = details
        self.inside = details.drawing.inside
        self.to = details.to
        self.depth = details.drawing.depth
        self.now_ns = now_ns
        self.bright = slowest_path(roots, end_of(run, now_ns))
        self.below = sizes(roots)

    def lines(self) -> Iterator[Line]:
        """The axis, then every node with what belongs beneath it."""
        rows = list(self._rows())
        if not rows:  # a run of one span, which the header says
            return
        took = max([_TOOK_LEAST, *(width_of([Piece(row.took)]) for row in rows)])
        left, bars = self._layout(max(row.width for row in rows), took)
        scale = axis(self.window, bars, self.to.theme.micro) if bars else ""
        if scale:
            yield [Piece(" " * (left + took + 2 * _GAP)), Piece(scale, "dim")]
        is_hinted = False
        for row in rows:
            has_room = not self.to.cuts or row.width <= self._room(row, left)
            label = [*row.label, *row.hint] if has_room else row.label
            yield from self._lines(row._replace(label=label), left, took, bars)
            if row.hint and not has_room and not is_hinted:
                yield [*row.guides, *unfold_hint()]
            is_hinted |= bool(row.hint)
            yield from row.below

    def _layout(self, natural: int, took: int) -> tuple[int, int]:
        """Columns for the labels, and for the bars (0: none)."""
        right = took + _GAP
        if self.to.width < BARS_FROM:
            return min(natural, self.to.width - right), 0
        least = _BAR_LEAST
        if self.to.cuts:  # a label that is not cut, as in a pipe, needs all the room that there is
            least += (self.to.width - BARS_FROM) // 2
        left = min(natural, self.to.width - right - _GAP - least)
        return left, self.to.width - left - right - _GAP

    def _room(self, row: Row, left: int) -> int:
        """Columns for its label."""
        if self.to.width < DURATIONS_FROM:
            return max(self.to.width - cell_len(row.took) - _GAP, 1)
        return left

    def _lines(self, row: Row, left: int, took: int, bars: int) -> Iterator[Line]:
        """One; a bar that a label which is not cut would push aside is beneath it, in line with the
        others."""
        if self.to.width < DURATIONS_FROM:
            follows = Piece(f"  {row.took}", "dim")
            yield [*self._within(row.label, self._room(row, left)), follows]
            return
        label = self._within(row.label, left)
        bright = "bold" if row.node in self.bright else ""
        right = padded([Piece(row.took, bright)], took, right=True)
        line = [*padded(label, left), Piece(" " * _GAP), *right]
        if bars and width_of(label) > left:
            yield line
            line = padded(row.guides, left + _GAP + took)
        if bars:
            line = [*line, Piece(" " * _GAP), self._bar(row.node, bars)]
        yield line

    def _bar(self, node: Node, columns: int) -> Piece:
        end_ns = node.end_time_ns
        run = self._run_of(node)
        if has_no_end(node.status, end_ns):
            end_ns = node.start_time_ns
        elif end_ns is None and run.is_gone:
            end_ns = run.last_time_ns  # it runs no more, as a bar without an end would say
        drawn = bar(self.window, node.start_time_ns, end_ns, columns, self.to.theme)
        colour = STYLES["failed"] if node.status == "failed" else "cyan"
        return Piece(drawn, f"{'bold' if node in self.bright else 'dim'} {colour}")

    def _within(self, label: Line, width: int) -> Line:
        return cut_line(label, width, self.to.theme.ellipsis) if self.to.cuts else label

    def _rows(self) -> Iterator[Row]:
        theme = self.to.theme
        blank = " " * len(theme.guide)
        levels = self._guide_levels()
        stack = _places(self.roots, None, "", 0)
        while stack:
            node, parent, guides, depth, is_last = stack.pop()
            is_guided = depth < levels
            front = guides if is_guided else f"{theme.deeper}{depth} "
            under = guides + (blank if is_last else theme.guide) if is_guided else blank
            cut_off = self.depth is not None and depth + 1 >= self.depth
            children = [] if cut_off else node.children
            label = [Piece(front + (theme.elbow if is_last else theme.tee), "dim")]
            label += self.to.spelled(self._label(node, parent, cut_off=cut_off))
            inner = under + (theme.guide if children else "")
            below = self.details.lines(node, inner)
            folds = unfold_hint("  ") if node.fold is not None else []
            yield Row(label, self._took(node), node, below, folds, [Piece(inner, "dim")])
            stack += _places(children, node, under, depth + 1)

    def _guide_levels(self) -> int:
        """Levels drawn with guide lines; deeper ones say their depth instead."""
        return max(self.to.width // 2 // len(self.to.theme.guide), 4)

    def _label(self, node: Node, parent: Node | None, *, cut_off: bool) -> Line:
        theme = self.to.theme
        status = status_within(self._run_of(node), node.status, node.end_time_ns)
        label = [Piece(theme.mark(status), STYLES.get(status, "")), Piece(" ")]
        name = both_ends(self._name(node, parent), self.to.width if self.to.cuts else None)
        times = ""
        if node.fold is not None:
            times = f" {theme.times}{len(node.fold.members):,}"
        elif node.iteration is not None:
            name = f"#{node.iteration} {name}".rstrip()
        bright = "bold" if node in self.bright else ""
        label += [Name(name or "(no name)", bright), Piece(times, bright)]
        said = [
            *notes(node, parent, theme),
            *self.details.notes(node),
            *self._run_note(node, parent),
        ]
        if cut_off and self.below[node]:
            said.append(f"{amounts.plural(self.below[node], 'span')} below")
        if said:
            label.append(Piece("  " + "  ".join(said), "dim"))
        return label

    def _took(self, node: Node) -> str:
        if has_no_end(node.status, node.end_time_ns):
            return self.to.theme.none
        times = (node.start_time_ns, node.end_time_ns)
        text = lasted(self._run_of(node), *times, self.now_ns, self.to.theme)
        # Of a part that died before its run went on, the end is the last that is known of it.
        at_least = node.status == RunStatus.DIED and node.end_time_ns is not None
        return f"{text}+" if at_least else text

    def _name(self, node: Node, parent: Node | None) -> str:
        """A run inside this one has its pipeline's name, where its root has none of its own."""
        run = self._begun(node, parent) if node.name == PIPELINE_RUN else None
        return run.pipeline_name if run is not None else node.name

    def _run_note(self, node: Node, parent: Node | None) -> Iterator[str]:
        """Where a run inside this one begins: its id, by which it can be opened alone."""
        run = self._begun(node, parent)
        if run is None:
            return
        if node.fold is not None:
            yield amounts.plural(len(node.fold.members), "run")
        else:
            yield f"run {self.inside[run.run_id].shown_id}"

    def _begun(self, node: Node, parent: Node | None) -> Run | None:
        """The run inside this one that begins with `node`."""
        run = self._run_of(node)
        if run is self.run or (parent is not None and run is self._run_of(parent)):
            return None
        return run

    def _run_of(self, node: Node) -> Run:
        """The run that it belongs to: the one that is drawn, or one inside that."""
        while node.span is None:  # a fold, a round or a branch
            node = node.fold.worst if node.fold else node.children[0]
        inner = self.inside.get(node.span.run_id)
        return self.run if inner is None else inner.run
