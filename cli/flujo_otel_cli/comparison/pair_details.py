"""What stands beneath a node of two runs: errors that only one has, and values that differ."""

from collections.abc import Iterator, Mapping

from flujo_otel.query.alignment import Pair
from flujo_otel.query.comparison import Comparison
from flujo_otel.query.exchange import Exchange, exchange_of
from flujo_otel.query.failure import Failure
from flujo_otel.query.tree import Node
from flujo_otel_cli.comparison.sides import Side, Sides
from flujo_otel_cli.failures import failure_lines, message_lines, unexplained_failures
from flujo_otel_cli.handle import handle_of
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape

_WAS = "was "
_PIPED = 100
"""Columns of a value that are reckoned with in a pipe."""


class PairDetails:
    """Of each pair of `comparison`; `values`: also inputs and outputs, where they differ."""

    def __init__(
        self, sides: Sides, comparison: Comparison, to: Terminal, *, db: str | None, values: bool
    ) -> None:
        self.sides = sides
        self.comparison = comparison
        self.to = to
        self.db = db
        self.values = values
        self._was = _failures(sides.base)
        self._now = _failures(sides.other)

    def lines(self, pair: Pair, room: int) -> list[Line]:
        """In lines of `room` columns where a terminal cuts them."""
        found = self.comparison.differences[pair]
        lines = list(self._error_lines(pair, room)) if any(found.errors) else []
        if self.values and pair.base is not None and pair.other is not None:
            was, now = _exchange(pair.base), _exchange(pair.other)
            if found.input:
                lines += self._value_lines("input", was.input, now.input, room)
            if found.output:
                lines += self._value_lines("output", was.output, now.output, room)
        return lines

    def _error_lines(self, pair: Pair, room: int) -> Iterator[Line]:
        was, now = self.comparison.differences[pair].errors
        old = self._was.get(pair.base) if was is not None and pair.base is not None else None
        if old is not None:
            first = old.message.strip().split("\n", 1)[0]
            for place, line in enumerate(message_lines(first, self.to, max(room - len(_WAS), 20))):
                front = " " * len(_WAS) if place else _WAS
                yield [Piece(front, "dim"), *(Piece(piece.text, "dim") for piece in line)]
        new = self._now.get(pair.other) if now is not None and pair.other is not None else None
        if new is not None and pair.other is not None:
            yield from failure_lines(new, self.to, self._opens(pair.other), room)

    def _opens(self, node: Node) -> str:
        """The command that shows more of what failed in the other run."""
        if node.span is None:
            return ""
        drawing = self.sides.other.drawing
        inner = drawing.inside.get(node.span.run_id)
        run_name = inner.shown_id if inner else drawing.shown_id
        if node.is_run_root or not node.span.trace_id:
            return hint("show", run_name, db=self.db)
        named = handle_of(node.span, named_so=drawing.names.get(node.span.name, 0))
        return hint("show", run_name, "--step", named, db=self.db)

    def _value_lines(
        self, word: str, was: str | None, now: str | None, room: int
    ) -> Iterator[Line]:
        # it is asked for seldom
        from flujo_otel_cli.comparison.text_difference import difference_lines

        indent = " " * (len(word) + 2)
        room = room - len(indent) - 2 if self.to.cuts else _PIPED
        for place, (sign, text) in enumerate(difference_lines(was or "", now or "", room)):
            style = {"-": "red", "+": "green"}.get(sign, "dim")
            front = indent if place else f"{word}  "
            yield [Piece(front, "dim"), Piece(f"{sign} {escape(text)}", style)]


def _failures(side: Side) -> Mapping[Node, Failure]:
    return unexplained_failures(side.tops if side.root is None else [side.root])


def _exchange(node: Node) -> Exchange:
    return exchange_of(node.span.attributes) if node.span is not None else Exchange()
