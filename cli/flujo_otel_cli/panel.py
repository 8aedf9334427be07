"""A box of facts."""

from collections.abc import Iterator

from flujo_otel_cli.line import Line, Piece, cut_line, padded, width_of
from flujo_otel_cli.terminal import Terminal


def panel(heading: Line, facts: list[tuple[str, Line]], to: Terminal) -> Iterator[Line]:
    """`facts` as name and value, one a line, in a frame that carries `heading`."""
    theme = to.theme
    heading = to.spelled(heading)
    names = max((len(name) for name, _ in facts), default=0)
    lines = [[Piece(f"{name:{names}}  ", "dim"), *to.spelled(value)] for name, value in facts]
    inner = max(width_of(heading) + 2, *(width_of(line) for line in lines))
    if to.cuts:
        inner = min(inner, to.width - 4)
    heading = cut_line(heading, inner - 2, theme.ellipsis)
    rule = theme.top[1] * (inner - width_of(heading) - 1)
    yield [
        Piece(f"{theme.top[:2]} ", "dim"),
        *heading,
        Piece(f" {rule}{theme.top[2]}", "dim"),
    ]
    for line in lines:
        middle = padded(cut_line(line, inner, theme.ellipsis), inner)
        yield [Piece(f"{theme.side} ", "dim"), *middle, Piece(f" {theme.side}", "dim")]
    yield [Piece(theme.bottom[0] + theme.bottom[1] * (inner + 2) + theme.bottom[2], "dim")]
