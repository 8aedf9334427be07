"""A plain table: as narrow as its content, and narrower where the terminal is."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flujo_otel_cli.line import Line, Piece, cut_line, padded, width_of
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import cell_len

GAP = 3


class Column(NamedTuple):
    """`shrinks`: may be cut down to `least` columns. `rank`: the highest is left out first."""

    title: str
    right: bool = False
    shrinks: bool = False
    least: int = 8
    rank: int = 0


def table(columns: Sequence[Column], rows: Sequence[Sequence[Line]], to: Terminal) -> list[Line]:
    """The heading and the rows. Only a terminal cuts or leaves out: a pipe gets everything."""
    widths = [
        max([cell_len(column.title), *(width_of(row[index]) for row in rows)])
        for index, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if to.cuts:
        shown = _fitted(columns, widths, to.width)
    heading = [[Piece(column.title, "dim")] for column in columns]
    return [
        list(_joined(columns, widths, shown, row, to.theme.ellipsis)) for row in [heading, *rows]
    ]


def _fitted(columns: Sequence[Column], widths: list[int], width: int) -> list[int]:
    """Which columns there is room for; shrinks `widths` in place."""
    shown = list(range(len(columns)))
    natural = list(widths)
    while True:
        widths[:] = natural
        over = sum(widths[index] for index in shown) + GAP * (len(shown) - 1) - width
        for index in shown:
            if over > 0 and columns[index].shrinks:
                give = min(over, max(widths[index] - columns[index].least, 0))
                widths[index] -= give
                over -= give
        droppable = [index for index in shown if columns[index].rank]
        if over <= 0 or not droppable:
            return shown
        shown.remove(max(droppable, key=lambda index: columns[index].rank))


def _joined(
    columns: Sequence[Column],
    widths: Sequence[int],
    shown: Sequence[int],
    row: Sequence[Line],
    ellipsis: str,
) -> Iterator[Piece]:
    for place, index in enumerate(shown):
        if place:
            yield Piece(" " * GAP)
        cell = cut_line(row[index], widths[index], ellipsis)
        yield from padded(cell, widths[index], right=columns[index].right)
