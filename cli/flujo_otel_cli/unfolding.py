"""How what is drawn as one line is unfolded: said on that line, where it has the room."""

from collections.abc import Iterator

from flujo_otel_cli.line import Line, Piece, width_of
from flujo_otel_cli.terminal import Terminal

_SAID = "--all unfolds"
_INDENT = 3
"""Columns before it beneath a line: as far as all that is told there."""


def unfold_hint(between: str = "") -> Line:
    """It, behind what is `between` it and what stands before it."""
    return [Piece(f"{between}{_SAID}", "dim")]


def unfolding(line: Line, between: str, to: Terminal) -> Iterator[Line]:
    """`line` with it; where that would be cut, beneath."""
    whole = [*line, *unfold_hint(between)]
    if not to.cuts or width_of(to.spelled(whole)) <= to.width:
        yield whole
        return
    yield line
    yield [Piece(" " * _INDENT), *unfold_hint()]
