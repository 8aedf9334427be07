"""Recorded values: JSON on one line cut to the width, or all of it."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flujo_otel_cli.document import parsed
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len, escape, head, wrapped

if TYPE_CHECKING:
    from flujo_otel.query.exchange import Exchange

PIPED_MOST = 200
"""Characters of a value in a list of such that goes into a pipe."""
_LINES = 20
"""Of one value that is opened, `--full` shows the rest."""


def content_lines(
    label: str,
    text: str | None,
    to: Terminal,
    *,
    full: bool,
    style: str = "",
    piped: int | None = None,
) -> Iterator[Line]:
    """`label  value`; nothing where there is no value. A pipe gets the whole of the one line, or
    `piped` characters."""
    if text is None:
        return
    if full:
        yield [Piece(label, "dim")]
        yield from ([Piece("  " + escape(line), style)] for line in whole(text).split("\n"))
    else:
        line = head(text, to.width) if to.cuts else brief(text, piped or len(text))
        yield [Piece(f"{label}  ", "dim"), Piece(line, style)]


def exchange_lines(found: "Exchange", to: Terminal, *, full: bool) -> Iterator[Line]:
    """What went in, of a conversation its last message, and what came out, a line each."""
    asked = found.input if full else found.asked
    yield from content_lines("   in   ", asked, to, full=full, piped=PIPED_MOST)
    yield from content_lines("   out  ", found.output, to, full=full, piped=PIPED_MOST)


def opened_lines(label: str, text: str | None, to: Terminal, *, full: bool) -> Iterator[Line]:
    """`label`, and beneath it all of the value, in lines of the terminal's width."""
    if text is None or full or not to.cuts:
        yield from content_lines(label, text, to, full=True)
        return
    room = max(to.width - 2, 20)
    # Of a huge one, no more is wrapped than can be shown.
    lines = wrapped(whole(text[: room * _LINES * 2]), room)
    if len(lines) == 1 and len(label) + 2 + cell_len(lines[0]) <= to.width:
        yield [Piece(f"{label}  ", "dim"), Piece(lines[0])]
        return
    yield [Piece(label, "dim")]
    yield from ([Piece(f"  {line}")] for line in lines[:_LINES])
    if len(lines) > _LINES or len(text) > room * _LINES * 2:
        yield [Piece("  --full shows the rest", "dim")]


def whole(text: str) -> str:
    """JSON spread over lines, a JSON string as the text that it is; anything else as it stands."""
    value = parsed(text)
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)
