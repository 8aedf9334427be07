"""Two runs as one tree: both durations of each node, what changed, and what only one of them has.

As in `tree`, nothing recurses, and the guide lines of very deep nodes are shortened.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flujo_otel.query.alignment import Pair
from flujo_otel.query.comparison import Comparison, is_noticeable
from flujo_otel.query.condensation import Several, condensed
from flujo_otel.query.fold import OTHERS
from flujo_otel.query.tree import Node
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel_cli.bar import leaning
from flujo_otel_cli.comparison import deltas
from flujo_otel_cli.comparison.pair_details import PairDetails
from flujo_otel_cli.comparison.sides import Side, Sides
from flujo_otel_cli.line import Line, Name, Piece, cut_line, flowed, padded, width_of
from flujo_otel_cli.notes import notes
from flujo_otel_cli.runs import has_no_end, lasted
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import both_ends, cell_len
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import duration
from flujo_otel_cli.tree import DURATIONS_FROM

_BARS_FROM = 90
"""Columns from which there are bars."""
_HALF_LEAST, _HALF_MOST = 6, 14
"""Columns of a bar to each side of the middle."""
_GAP = 2
_TITLES = "BASE", "OTHER", "CHANGE"
_ADDED, _GONE = Piece("+ ", STYLES["running"]), Piece("- ", STYLES["paused"])


class _Row(NamedTuple):
    """One line before it is laid out. `change_ns`: 0 where nothing is said of it."""

    label: Line
    notes: Line
    """Behind the label; where that has no room for them, beneath it."""
    guides: Line
    base: str
    other: str
    change_ns: int
    below: list[Line]
    is_dim: bool


class _Place(NamedTuple):
    entry: Pair | Several
    parent: Pair | None
    guides: str
    depth: int
    is_last: bool


class _Layout(NamedTuple):
    """Columns for the labels, both durations and the change; for half a bar (0: none)."""

    left: int
    cells: Sequence[int]
    half: int
    most_ns: int
    """That a whole half stands for."""


class PairTree:
    """Draws pairs: of all, what tells of a difference, or with `unfold` each."""

    def __init__(
        self,
        sides: Sides,
        comparison: Comparison,
        beneath: PairDetails,
        to: Terminal,
        now_ns: int,
        *,
        unfold: bool,
    ) -> None:
        self.sides = sides
        self.comparison = comparison
        self.beneath = beneath
        self.to = to
        self.now_ns = now_ns
        self.unfold = unfold

    def lines(self, pairs: Sequence[Pair]) -> Iterator[Line]:
        """The titles, then each pair with what belongs beneath it."""
        rows = list(self._rows(pairs))
        if not rows:
            return
        layout = self._layout(rows)
        if self.to.width >= DURATIONS_FROM:
            yield self._titles(layout)
        for row in rows:
            yield from self._drawn(row, layout)
            yield from ([*row.guides, *line] for line in row.below)

    def _layout(self, rows: list[_Row]) -> _Layout:
        texts = ([*_TITLES], *([row.base, row.other, self._said(row.change_ns)] for row in rows))
        cells = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
        right = sum(cells) + len(cells) * _GAP
        natural = max(width_of(_whole(row)) for row in rows)
        half = 0
        if self.to.width >= _BARS_FROM:
            room = self.to.width - right - _GAP - 1
            half = min(max((room - natural) // 2, _HALF_LEAST), _HALF_MOST)
            right += _GAP + 2 * half + 1
        most_ns = max(abs(row.change_ns) for row in rows)
        return _Layout(min(natural, max(self.to.width - right, 1)), cells, half, most_ns)

    def _titles(self, layout: _Layout) -> Line:
        line = [Piece(" " * layout.left)]
        for title, width in zip(_TITLES, layout.cells, strict=True):
            line += [Piece(" " * _GAP), *padded([Piece(title, "dim")], width, right=True)]
        if layout.half and layout.most_ns:
            words = f"{deltas.SLOWER.less:>{layout.half}}{self.to.theme.side}{deltas.SLOWER.more}"
            line += [Piece(" " * _GAP), Piece(words, "dim")]
        return line

    def _drawn(self, row: _Row, layout: _Layout) -> Iterator[Line]:
        """One line, and where that has no room for them the notes beneath it."""
        is_narrow = self.to.width < DURATIONS_FROM
        times = self._both(row) if is_narrow else self._columns(row, layout)
        room = max(self.to.width - width_of(times), 1) if is_narrow else layout.left
        label = _whole(row)
        has_room = width_of(label) <= room
        if not has_room:
            label = row.label
            if self.to.cuts:
                label = cut_line(label, room, self.to.theme.ellipsis)
        yield [*(label if is_narrow else padded(label, layout.left)), *times]
        if not has_room and row.notes:
            left = max(self.to.width - width_of(row.guides), 1)
            for line in flowed([[note] for note in row.notes], left, Piece("  ")):
                yield [*row.guides, *line]

    def _columns(self, row: _Row, layout: _Layout) -> Line:
        style = "dim" if row.is_dim else ""
        texts = [(row.base, style), (row.other, style), self._changed(row)]
        line: Line = []
        for (text, how), width in zip(texts, layout.cells, strict=True):
            line += [Piece(" " * _GAP), *padded([Piece(text, how)], width, right=True)]
        if layout.half and layout.most_ns and row.change_ns:
            drawn = leaning(row.change_ns / layout.most_ns, layout.half, self.to.theme)
            line += [Piece(" " * _GAP), Piece(drawn, self._changed(row)[1])]
        return line

    def _both(self, row: _Row) -> Line:
        theme = self.to.theme
        style = self._changed(row)[1] or "dim"
        same = row.is_dim or row.base == row.other
        said = row.other if same else f"{row.base} {theme.arrow} {row.other}"
        return [Piece(f"  {said}", style)]

    def _changed(self, row: _Row) -> tuple[str, str]:
        worse = deltas.WORSE if row.change_ns > 0 else deltas.BETTER
        return self._said(row.change_ns), worse if row.change_ns else ""

    def _said(self, change_ns: int) -> str:
        return deltas.time_change(change_ns, self.to.theme.micro) if change_ns else ""

    def _rows(self, pairs: Sequence[Pair]) -> Iterator[_Row]:
        theme = self.to.theme
        blank = " " * len(theme.guide)
        levels = max(self.to.width // 2 // len(theme.guide), 4)
        stack = self._places(pairs, None, "", 0)
        while stack:
            entry, parent, guides, depth, is_last = stack.pop()
            is_guided = depth < levels
            front = guides if is_guided else f"{theme.deeper}{depth} "
            under = guides + (blank if is_last else theme.guide) if is_guided else blank
            branch = Piece(front + (theme.elbow if is_last else theme.tee), "dim")
            if isinstance(entry, Several):
                yield self._several_row(entry, branch, Piece(under, "dim"))
                continue
            children = [] if self._is_closed(entry) else entry.children
            inner = under + (theme.guide if children else "")
            yield self._pair_row(entry, parent, branch, Piece(inner, "dim"))
            stack += self._places(children, entry, under, depth + 1)

    def _is_closed(self, pair: Pair) -> bool:
        return not self.unfold and pair in self.comparison.alike

    def _places(
        self, pairs: Sequence[Pair], parent: Pair | None, guides: str, depth: int
    ) -> list[_Place]:
        """For a stack: the first on top."""
        entries = list(pairs) if self.unfold else condensed(pairs, self.comparison)
        last = entries[-1] if entries else None
        return [_Place(each, parent, guides, depth, each is last) for each in reversed(entries)]

    def _pair_row(self, pair: Pair, parent: Pair | None, branch: Piece, inner: Piece) -> _Row:
        found = self.comparison.differences[pair]
        is_alike = pair in self.comparison.alike
        label = [*self._marks(pair), *self._name(pair, is_alike=is_alike)]
        return _Row(
            [branch, *self.to.spelled(label)],
            self.to.spelled(list(self._notes(pair, parent))),
            [inner],
            self._took(self.sides.base, pair.base),
            self._took(self.sides.other, pair.other),
            (found.duration_ns or 0) if found.is_longer_or_shorter else 0,
            self.beneath.lines(pair, self.to.width - cell_len(inner.text)),
            is_alike,
        )

    def _marks(self, pair: Pair) -> Line:
        theme = self.to.theme
        if pair.base is None or pair.other is None:
            front, status = (_ADDED if pair.base is None else _GONE), pair.node.status
            return [front, Piece(f"{theme.mark(status)} ", STYLES.get(status, ""))]
        if pair.base.status != pair.other.status:
            return [*deltas.status_change(pair.base.status, pair.other.status, self.to), Piece(" ")]
        style = "dim" if pair in self.comparison.alike else STYLES.get(pair.node.status, "")
        return [Piece(f"{theme.mark(pair.node.status)} ", style)]

    def _name(self, pair: Pair, *, is_alike: bool) -> Line:
        node = pair.node
        name = node.name
        side = self.sides.other if pair.other is not None else self.sides.base
        run = side.run_of(node)
        if name == PIPELINE_RUN and run is not side.run:
            name = run.pipeline_name
        name = both_ends(name, self.to.width if self.to.cuts else None)
        if node.iteration is not None:
            name = f"#{node.iteration} {name}".rstrip()
        return [Name(name or "(no name)", "dim" if is_alike else "")]

    def _notes(self, pair: Pair, parent: Pair | None) -> list[Piece]:
        if pair.base is not None and pair.other is not None:
            return deltas.notes(self.comparison.differences[pair], self.to)
        above = None if parent is None else parent.base if pair.other is None else parent.other
        return [Piece(note, "dim") for note in notes(pair.node, above, self.to.theme)]

    def _took(self, side: Side, node: Node | None) -> str:
        theme = self.to.theme
        if node is None or has_no_end(node.status, node.end_time_ns):
            return theme.none
        return lasted(side.run_of(node), node.start_time_ns, node.end_time_ns, self.now_ns, theme)

    def _several_row(self, entry: Several, branch: Piece, under: Piece) -> _Row:
        theme = self.to.theme
        count = len(entry.pairs)
        label: Line = [branch]
        if entry.is_alike:
            named = f": {entry.name}" if entry.name else ""
            label += [Piece(f"{count:,} alike{named}", "dim")]
        else:
            first = entry.pairs[0]
            label += self._marks(first) if entry.name != OTHERS else []
            label += [Name(both_ends(entry.name, self.to.width)), Piece(f" {theme.times}{count:,}")]
        base_ns, other_ns = self._sum(entry, is_base=True), self._sum(entry, is_base=False)
        change_ns = other_ns - base_ns if is_noticeable(base_ns, other_ns) else 0
        base, other = (
            duration(ns, theme.micro) if ns else theme.none for ns in (base_ns, other_ns)
        )
        label = self.to.spelled(label)
        added = [Piece("added up", "dim")]
        counts = self.comparison.other_values(entry.pairs)
        for word, differing in zip(("input", "output"), counts, strict=True):
            if differing:
                said = f"{word} differs {theme.times}{differing:,}"
                added.append(Piece(said, STYLES["warning"]))
        return _Row(label, added, [under], base, other, change_ns, [], entry.is_alike)

    def _sum(self, entry: Several, *, is_base: bool) -> int:
        nodes = (pair.base if is_base else pair.other for pair in entry.pairs)
        return sum(node.duration_ns or 0 for node in nodes if node is not None)


def _whole(row: _Row) -> Line:
    """The label with its notes behind it."""
    return [*row.label, *(piece for note in row.notes for piece in (Piece("  "), note))]
