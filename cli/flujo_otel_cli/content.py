"""Recorded values: JSON on one line cut to the width, or all of it."""

import json
from collections.abc import Iterator
from typing import Any

from flujo_otel.query.recorded import value_of
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, cell_len, escape, head

PIPED_MOST = 200
"""Characters of a value in a list of such that goes into a pipe."""
LINES_SHOWN = 20
"""Of one value that is opened, `--full` shows the rest."""
_LINE_MOST = 4_000
_SPREAD_MOST = 1_000_000
"""Characters of JSON that are still spread over lines: a second or so."""


def parsed(text: str | None) -> Any:
    """A recorded blob as the value that it is; the text itself where it is no JSON, or nested too
    deep for most readers of ours."""
    if text is None:
        return None
    try:
        return value_of(text)
    except ValueError:
        return text


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
        indent = _indent(label)
        yield from ([Piece(indent + escape(line), style)] for line in whole(text).split("\n"))
    else:
        line = head(text, to.width) if to.cuts else brief(text, piped or len(text))
        yield [Piece(f"{label}  ", "dim"), Piece(line, style)]


def opened_lines(
    label: str, text: str | None, to: Terminal, *, full: bool, style: str = ""
) -> Iterator[Line]:
    """`label  value` where that is one line, else beneath `label` all of it, in lines of the
    terminal's width; a pipe gets it as it stands."""
    if text is None or full:
        yield from content_lines(label, text, to, full=True, style=style)
        return
    short = _on_one_line(text)
    if short is not None and len(label) + 2 + cell_len(short) <= to.width:
        yield [Piece(f"{label}  ", "dim"), Piece(short, style)]
        return
    yield [Piece(label, "dim")]
    indent = _indent(label)
    shown = whole(text) if len(text) <= _SPREAD_MOST else text
    if not to.cuts:
        yield from ([Piece(indent + escape(line), style)] for line in shown.splitlines())
        return
    room = max(to.width - len(indent), 20)
    # Of a huge one, no more is wrapped than can be shown.
    most = room * LINES_SHOWN * 2
    lines = to.wrapped(shown[:most], room)
    yield from ([Piece(indent + line, style)] for line in lines[:LINES_SHOWN])
    if len(lines) > LINES_SHOWN or len(shown) > most:
        yield [Piece(f"{indent}--full shows the rest", "dim")]


def _indent(label: str) -> str:
    """Two columns deeper than `label` begins."""
    return " " * (len(label) - len(label.lstrip()) + 2)


def _on_one_line(text: str) -> str | None:
    """None: it has several, or would not fit on any terminal."""
    value = parsed(text) if len(text) <= _LINE_MOST else None
    if value is None:
        return None
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return None if "\n" in said.rstrip("\n") else escape(said.rstrip("\n"))


def whole(text: str) -> str:
    """JSON spread over lines, a JSON string as the text that it is; anything else as it stands."""
    value = parsed(text)
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)
