"""Recorded values: JSON on one line cut to the width, or all of it."""

import json
from collections.abc import Iterator

from flujo_otel_cli.document import parsed
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape, head


def content_lines(
    label: str, text: str | None, to: Terminal, *, full: bool, style: str = ""
) -> Iterator[Line]:
    """`label  value`; nothing where there is no value. A pipe gets the whole of the one line."""
    if text is None:
        return
    if full:
        yield [Piece(label, "dim")]
        yield from ([Piece("  " + escape(line), style)] for line in whole(text).split("\n"))
    else:
        limit = to.width if to.cuts else None
        yield [Piece(f"{label}  ", "dim"), Piece(head(text, limit), style)]


def whole(text: str) -> str:
    """JSON spread over lines, a JSON string as the text that it is; anything else as it stands."""
    value = parsed(text)
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)
