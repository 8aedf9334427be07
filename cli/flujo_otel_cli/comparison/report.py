"""Two runs compared: the table of both, the tree of what is different, and where the time went."""

from collections.abc import Iterator, Sequence

from flujo_otel.query.alignment import Pair
from flujo_otel.query.comparison import Comparison
from flujo_otel.query.mover import Mover, movers
from flujo_otel_cli.comparison import deltas
from flujo_otel_cli.comparison.final_changes import final_change_lines
from flujo_otel_cli.comparison.pair_details import PairDetails
from flujo_otel_cli.comparison.pair_tree import PairTree
from flujo_otel_cli.comparison.run_table import run_table
from flujo_otel_cli.comparison.sides import Sides
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Name, Piece, flowed
from flujo_otel_cli.session import Session
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief_name
from flujo_otel_cli.times import duration

MOVERS = 3
"""That are named beneath the tree."""
_ITSELF = "the run itself"


def report_lines(
    sides: Sides, comparison: Comparison, session: Session, *, unfold: bool, values: bool
) -> Iterator[Line]:
    """All lines."""
    to = session.to
    beneath = PairDetails(sides, comparison, to, db=session.db, values=values)
    yield from run_table(sides, session)
    pairs = comparison.roots
    whole = _whole(pairs, sides)
    if whole is not None:
        pairs = whole.children
        told = comparison.differences[whole]._replace(tokens=0, cost_usd=0)  # by the table
        said = deltas.notes(told, to)
        yield from _fitted([[piece] for piece in said], to, 0)
        yield from beneath.lines(whole, to.width)
    yield from final_change_lines(sides, to)
    for side in sides:
        if not side.tops and side.root is None:
            yield [Piece(f"Of run {side.drawing.shown_id} no spans and no steps are known.")]
    if sides.base.run.run_id == sides.other.run.run_id:
        yield [Piece("Both are the same run.")]
    if comparison.alike.issuperset(comparison.roots) and pairs and not unfold:
        yield [Piece("No step or span is different.  "), Piece("--all shows them", "dim")]
        return
    yield []
    drawn = PairTree(sides, comparison, beneath, to, session.now_ns, unfold=unfold)
    yield from drawn.lines(pairs)
    yield from _mover_lines(movers(comparison, MOVERS), to)
    if not values and any(comparison.other_values(comparison.roots)):
        yield []
        names = (side.drawing.shown_id for side in sides)
        command = hint("compare", *names, "--values", db=session.db)
        yield [Piece("Inputs and outputs that differ:  ", "dim"), Command(command, "dim")]


def _whole(pairs: Sequence[Pair], sides: Sides) -> Pair | None:
    """The pair of the runs' own spans, of which the table says all but these."""
    is_whole = len(pairs) == 1 and pairs[0].base is not None and pairs[0].base is sides.base.root
    return pairs[0] if is_whole and pairs[0].other is sides.other.root else None


def _mover_lines(found: Sequence[Mover], to: Terminal) -> Iterator[Line]:
    if not found:
        return
    yield []
    title = [Piece("Most of the change in time, each without what ran beneath it:", "dim")]
    yield from _fitted([title], to, 0)
    texts = [deltas.time_change(mover.change_ns, to.theme.micro) for mover in found]
    width = max(map(len, texts))
    for mover, text in zip(found, texts, strict=True):
        colour = deltas.WORSE if mover.change_ns > 0 else deltas.BETTER
        line: Line = [Piece(f"  {text:>{width}}", colour)]
        parts: list[Line] = [line, [Name(_named(mover, to))], [Piece(_counts(mover, to), "dim")]]
        yield from _fitted(parts, to, width + 4)


def _fitted(parts: Sequence[Line], to: Terminal, indent: int) -> Iterator[Line]:
    """`parts` on one line, on a terminal on as many as it takes."""
    between = Piece("  ")
    if to.cuts:
        yield from flowed(map(to.spelled, parts), to.width, between, indent)
    elif parts:
        yield [piece for part in parts for piece in (between, *part)][1:]


def _named(mover: Mover, to: Terminal) -> str:
    """Its name, behind those of the two above it."""
    names = [brief_name(name) or "(no name)" for name in mover.path[-3:]]
    if len(mover.path) > len(names):
        names = [to.theme.ellipsis, *names]
    return " / ".join(names) or _ITSELF


def _counts(mover: Mover, to: Terminal) -> str:
    """What it took in both, and how often it ran."""
    theme = to.theme
    times = (duration(ns, theme.micro) for ns in (mover.base_ns, mover.other_ns))
    if not mover.path:
        return f" {theme.arrow} ".join(times)
    if not mover.base_count or not mover.other_count:
        count = mover.base_count or mover.other_count
        only = f"only in {'OTHER' if mover.other_count else 'BASE'}"
        return f"{theme.times}{count:,} {only}" if count > 1 else only
    said = f" {theme.arrow} ".join(times)
    if mover.base_count == mover.other_count == 1:
        return said
    counts = dict.fromkeys(f"{theme.times}{n:,}" for n in (mover.base_count, mover.other_count))
    return f"{said}  {f' {theme.arrow} '.join(counts)}"
