"""A plain table: as narrow as its content, and narrower where the terminal is."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flujo_otel_cli.line import Line, Piece, cut_line, flowed, padded, width_of
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import cell_len

GAPS = 3, 2
"""Columns between columns, the second where there is no room for the first."""
_LEAST = 4
"""Columns that a cell is left where all else has given way."""
_INDENT, _HANGING = 4, 2
"""Columns before what stands beneath a row, and before what it goes on with."""


class Column(NamedTuple):
    """`shrinks`: may be cut down to `least` columns. `rank`: the highest is left out first.
    `beneath`: what there is no room for stands on lines of its own beneath its row."""

    title: str
    right: bool = False
    shrinks: bool = False
    least: int = 8
    rank: int = 0
    beneath: bool = False


class Layout(NamedTuple):
    """Which columns are shown, how wide each of all is, and how far they are apart."""

    shown: list[int]
    widths: list[int]
    gap: int


def table(columns: Sequence[Column], rows: Sequence[Sequence[Line]], to: Terminal) -> list[Line]:
    """The heading and the rows; a last line names the columns that there was no room for. Only a
    terminal cuts or leaves out: a pipe gets everything."""
    heading, lines, left_out = parted(columns, rows, to)
    return [heading, *(line for each in lines for line in each), *left_out]


def with_column(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Line]],
    column: Column,
    cells: Sequence[Line],
    at: int,
) -> tuple[list[Column], list[list[Line]]]:
    """`columns` and `rows` with one column more, of which `cells` has a cell for each row."""
    wider = [[*row[:at], cell, *row[at:]] for row, cell in zip(rows, cells, strict=True)]
    return [*columns[:at], column, *columns[at:]], wider


def parted(
    columns: Sequence[Column], rows: Sequence[Sequence[Line]], to: Terminal
) -> tuple[Line, list[list[Line]], list[Line]]:
    """The same in parts: the heading, the lines of each row, and what names the columns that there
    was no room for."""
    rows = [[to.spelled(cell) for cell in row] for row in rows]
    widths = [
        max([cell_len(column.title), *(width_of(row[index]) for row in rows)])
        for index, column in enumerate(columns)
    ]
    layout = Layout(list(range(len(columns))), widths, GAPS[0])
    if to.cuts:
        layout = _fitted(columns, widths, to.width)
    heading = [[Piece(column.title, "dim")] for column in columns]
    lines = [
        [list(_joined(columns, layout, row, to)), *_beneath(columns, layout, row, to)]
        for row in rows
    ]
    return list(_joined(columns, layout, heading, to)), lines, _left_out(columns, layout, to)


def _fitted(columns: Sequence[Column], natural: list[int], width: int) -> Layout:
    """What there is room for."""
    shown = list(range(len(columns)))
    while True:
        for gap in GAPS:
            room = width - gap * (len(shown) - 1)
            least = [column.least for column in columns]
            widths = _shrunk(columns, natural, shown, room, least)
            if sum(widths[index] for index in shown) <= room:
                return Layout(shown, widths, gap)
        droppable = [index for index in shown if columns[index].rank]
        if not droppable:
            least = [_LEAST] * len(columns)
            return Layout(shown, _shrunk(columns, natural, shown, room, least), gap)
        shown.remove(max(droppable, key=lambda index: columns[index].rank))


def _shrunk(
    columns: Sequence[Column],
    natural: list[int],
    shown: list[int],
    room: int,
    least: Sequence[int],
) -> list[int]:
    """The widths, as many of them down to `least` as it takes."""
    widths = list(natural)
    over = sum(widths[index] for index in shown) - room
    for index in shown:
        if over > 0 and columns[index].shrinks:
            give = min(over, max(widths[index] - least[index], 0))
            widths[index] -= give
            over -= give
    return widths


def _joined(
    columns: Sequence[Column], layout: Layout, row: Sequence[Line], to: Terminal
) -> Iterator[Piece]:
    for place, index in enumerate(layout.shown):
        if place:
            yield Piece(" " * layout.gap)
        cell = cut_line(row[index], layout.widths[index], to.theme.ellipsis)
        yield from padded(cell, layout.widths[index], right=columns[index].right)


def _missing(columns: Sequence[Column], layout: Layout, *, beneath: bool) -> list[int]:
    """Columns without a title say nothing that another does not."""
    return [
        index
        for index, column in enumerate(columns)
        if index not in layout.shown and column.title and column.beneath is beneath
    ]


def _beneath(
    columns: Sequence[Column], layout: Layout, row: Sequence[Line], to: Terminal
) -> Iterator[Line]:
    """What has no column, each behind its title."""
    cells = [
        [Piece(f"{columns[index].title} ", "dim"), *row[index]]
        for index in _missing(columns, layout, beneath=True)
        if width_of(row[index])
    ]
    if cells:
        lines = flowed(cells, to.width - _INDENT, Piece("  "), _HANGING)
        yield from ([Piece(" " * _INDENT), *line] for line in lines)


def _left_out(columns: Sequence[Column], layout: Layout, to: Terminal) -> list[Line]:
    names = [columns[index].title for index in _missing(columns, layout, beneath=False)]
    said = f"No room here for {', '.join(names)}."
    return list(flowed([[Piece(said, "dim")]], to.width, Piece(" "))) if names else []
