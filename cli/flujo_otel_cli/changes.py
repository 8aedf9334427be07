"""What a step changed in its pipeline's context, a line each."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flujo_otel.model import Step
from flujo_otel.query.change import ABSENT, Change
from flujo_otel.query.context import Changes
from flujo_otel_cli.content import PIPED_MOST
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, escape, head

if TYPE_CHECKING:
    from flujo_otel_cli.document import Document

_SHOWN = 5
_LABEL = "   ctx  "


def change_lines(changes: Sequence[Change], to: Terminal, *, full: bool) -> Iterator[Line]:
    """The first few of `changes`, each cut to the width; `full`: all of them, whole."""
    shown = changes if full else changes[:_SHOWN]
    for change in shown:
        text = told(change, to.theme.arrow)
        yield [Piece(f"{_label(change)}  ", "dim"), Piece(escape(text) if full else _cut(text, to))]
    if len(shown) < len(changes):
        yield [Piece(f"{_LABEL}  {len(changes) - len(shown):,} more: --full shows them", "dim")]


def changed_document(changes: Changes, step: Step) -> "Document":
    """`context_changes`: of `changes` those of `step`."""
    changed = changes.get(step.span_id or "", ())
    return {"context_changes": [change_document(change) for change in changed]}


def change_document(change: Change) -> "Document":
    """`path`, `before` and `after` where there was and is something, what became of a copy."""
    values = {"before": change.before, "after": change.after}
    facts = {"is_copy": change.is_copy, "is_lost": change.is_lost}
    return {"path": change.path, **{k: v for k, v in values.items() if v is not ABSENT}, **facts}


def _label(change: Change) -> str:
    if not change.is_copy:
        return _LABEL
    return f"   ctx (copy{', not kept' if change.is_lost else ''})"


def _cut(text: str, to: Terminal) -> str:
    return head(text, to.width) if to.cuts else brief(text, PIPED_MOST)


def told(change: Change, arrow: str) -> str:
    """`topic "a" → "b"`, `seen + "c"`; not escaped."""
    path, added = change.path or "context", change.added
    if added is not None:
        return f"{path} + {', '.join(map(_json, added))}"
    if change.before is ABSENT:
        return f"{path} = {_json(change.after)}"
    if change.after is ABSENT:
        return f"{path} {_json(change.before)} {arrow} gone"
    return f"{path} {_json(change.before)} {arrow} {_json(change.after)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
