"""In what the final contexts of two runs differ."""

from collections.abc import Iterator
from typing import Final

from flujo_otel.query.change import Change, changes_between
from flujo_otel_cli.changes import told
from flujo_otel_cli.comparison.sides import Sides
from flujo_otel_cli.content import PIPED_MOST, parsed
from flujo_otel_cli.final_context import FLUJOS_OWN
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, head

_SHOWN: Final = 5
_LEFT_OUT: Final = FLUJOS_OWN - {"scratchpad"}
"""But for that, where programs of flujo 0.4 keep what is theirs."""
_STATUS: Final = "scratchpad.status"
"""flujo's own, and told above."""


def final_changes(sides: Sides) -> list[Change]:
    """None where either run recorded no context."""
    was, now = (side.run.final_context for side in sides)
    if was is None or now is None or was == now:
        return []
    found = changes_between(parsed(was), parsed(now), _LEFT_OUT)
    return [change for change in found if change.path != _STATUS]


def final_change_lines(sides: Sides, to: Terminal) -> Iterator[Line]:
    """The first few, a line each."""
    changes = final_changes(sides)
    for change in changes[:_SHOWN]:
        text = told(change, to.theme.arrow)
        said = head(text, to.width) if to.cuts else brief(text, PIPED_MOST)
        yield [Piece("final context  ", "dim"), Piece(said)]
    if len(changes) > _SHOWN:
        yield [Piece(f"final context  {len(changes) - _SHOWN:,} more: --json has them", "dim")]
