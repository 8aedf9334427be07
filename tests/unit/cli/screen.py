"""A terminal in memory."""

import io
from collections.abc import Iterable

from flujo_otel_cli import theme
from flujo_otel_cli.line import Line
from flujo_otel_cli.terminal import Terminal


def screen(width: int = 100, *, cuts: bool = True, unicode: bool = True) -> Terminal:
    """`width` columns without colour; `cuts` False: a pipe."""
    glyphs = theme.UNICODE if unicode else theme.ASCII
    return Terminal(io.StringIO(), width, cuts, False, glyphs)


def shown(to: Terminal, lines: Iterable[Line]) -> str:
    """What stands on `to` after `lines`."""
    assert isinstance(to.stream, io.StringIO)
    to.write(lines)
    return to.stream.getvalue()
