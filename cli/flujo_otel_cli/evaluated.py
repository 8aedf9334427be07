"""Everything that was evaluated and ranked in a step, one item a line."""

from collections.abc import Iterator, Sequence
from typing import Any

from flujo_otel.query.decision import Candidate, Decision, Evaluation, FilterVerdict, tallies
from flujo_otel_cli import amounts
from flujo_otel_cli.decision import best_score, label_of, misshapen_lines, score_bar, score_text
from flujo_otel_cli.line import Line, Name, Piece
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, value_text
from flujo_otel_cli.theme import STYLES, Theme

ITEMS_SHOWN = 20
"""Of more, `--full` shows the rest too; a pipe gets all."""
_FILTERS = 8
"""Filters with a column of their own: those that kept out most."""
_TEXT_LEAST = 20
"""Columns of a reason; where there are fewer, it stands beneath."""


def evaluated(decision: Decision, to: Terminal, *, full: bool) -> Iterator[Line]:
    """Two tables: each evaluated item with what every filter said; each candidate."""
    most = None if full or not to.cuts else ITEMS_SHOWN
    if decision.evaluations:
        yield from _evaluations(decision.evaluations, most, to)
    if decision.candidates:
        yield from _candidates(decision, most, to)
        yield from misshapen_lines(decision.misshapen_candidates, "candidate")


def _evaluations(found: Sequence[Evaluation], most: int | None, to: Terminal) -> Iterator[Line]:
    filters = [tally.filter for tally in tallies(found)]
    columns = [
        Column("ITEM", shrinks=True, least=24),
        Column("PASSED"),
        *(
            Column(brief(name, 40) or "(no name)", rank=1 + index, beneath=True)
            for index, name in enumerate(filters[:_FILTERS])
        ),
        Column("WHY", shrinks=True, least=_TEXT_LEAST, rank=1 + _FILTERS, beneath=True),
        Column("DATA", shrinks=True, least=12, rank=2 + _FILTERS, beneath=True),
    ]
    if _omits_data(most, to):
        del columns[-1]
    rows = [_row(each, filters, to)[: len(columns)] for each in found[:most]]
    yield from table(columns, rows, to)
    if len(filters) > _FILTERS:
        more = amounts.plural(len(filters) - _FILTERS, "more filter")
        yield [Piece(f"and {more}: WHY has what they kept out", "dim")]
    yield from _rest(len(found) - len(rows), "item", hides_data=_hides_data(found, most, to))


def _row(each: Evaluation, filters: Sequence[str], to: Terminal) -> list[Line]:
    passed = {verdict.filter: verdict.passed for verdict in each.verdicts}
    return [
        [Name(label_of(each))],
        _mark(each.qualified, to.theme),
        *(_mark(passed.get(name), to.theme) for name in filters[:_FILTERS]),
        [Piece(brief(_why(each, filters)))],
        [Piece(_data(each.item_data), "dim")],
    ]


def _mark(passed: bool | None, theme: Theme) -> Line:
    if passed is None:  # it never came before this filter
        return [Piece(theme.none, "dim")]
    status = "completed" if passed else "failed"
    return [Piece(theme.mark(status), STYLES[status])]


def _why(each: Evaluation, filters: Sequence[str]) -> str:
    """What of it was not understood; its reasoning, else what the filters say that kept it out, in
    the order of the columns."""
    odd = [f"{name} not understood: {value_text(of)}" for name, of in each.not_understood.items()]
    said = each.reasoning or _kept_out(each.verdicts, filters)
    return "; ".join([*odd, said] if said else odd)


def _kept_out(verdicts: Sequence[FilterVerdict], filters: Sequence[str]) -> str:
    failed = sorted(
        (verdict for verdict in verdicts if not verdict.passed),
        key=lambda verdict: filters.index(verdict.filter),
    )
    return "; ".join(f"{v.filter} failed{f': {v.detail}' if v.detail else ''}" for v in failed)


def _candidates(decision: Decision, most: int | None, to: Terminal) -> Iterator[Line]:
    ranked = sorted(decision.candidates, key=lambda candidate: candidate.rank)
    best = best_score(ranked)
    columns = [
        Column("RANK", right=True),
        Column("CANDIDATE", shrinks=True, least=24),
        Column("SCORE", right=True),
        Column("", rank=2),
        Column("REASON", shrinks=True, least=_TEXT_LEAST, rank=1, beneath=True),
        Column("DATA", shrinks=True, least=12, rank=3, beneath=True),
    ]
    if _omits_data(most, to):
        del columns[-1]
    rows = [_ranked_row(each, best, to)[: len(columns)] for each in ranked[:most]]
    yield from table(columns, rows, to)
    hides_data = _hides_data(ranked, most, to)
    yield from _rest(len(ranked) - len(rows), "candidate", hides_data=hides_data)


def _ranked_row(each: Candidate, best: float, to: Terminal) -> list[Line]:
    return [
        [Piece(f"{each.rank}")],
        [Name(label_of(each))],
        [Piece(score_text(each, to.theme))],
        [Piece(score_bar(each, best, to.theme), "cyan")],
        [Piece(brief(each.reason))],
        [Piece(_data(each.item_data), "dim")],
    ]


def _omits_data(most: int | None, to: Terminal) -> bool:
    """The room is for the rest."""
    return to.cuts and most is not None


def _hides_data(
    found: Sequence[Evaluation] | Sequence[Candidate], most: int | None, to: Terminal
) -> bool:
    return _omits_data(most, to) and any(_has_data(each.item_data) for each in found)


def _data(data: Any) -> str:
    return brief(value_text(data)) if _has_data(data) else ""


def _has_data(data: Any) -> bool:
    return data not in (None, {}, "")


def _rest(count: int, noun: str, *, hides_data: bool) -> Iterator[Line]:
    if count:
        all_of_it = "all, with DATA" if hides_data else "all"
        yield [
            Piece(f"and {amounts.plural(count, f'more {noun}')}: --full shows {all_of_it}", "dim")
        ]
    elif hides_data:
        yield [Piece("--full shows DATA too", "dim")]
