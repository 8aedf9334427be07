"""How something was decided, drawn: what was evaluated and which filter cut, a ranking, the reason.

`notes` stand on a span's line in a tree, `glance` beneath it; `account` is a step's in `lens show`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flujo_otel.query.decision import Candidate, Decision, FilterTally, tallies
from flujo_otel_cli import amounts
from flujo_otel_cli.bar import gauge
from flujo_otel_cli.content import content_lines
from flujo_otel_cli.line import Line, Name, Piece, cut_line, padded
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import brief, brief_name, cell_len, cut, head
from flujo_otel_cli.theme import Theme

BARS_FROM = 80
"""Columns from which there are bars; below, figures alone."""
_BAR = 10
_NAME_MOST = 28
_SCORE_MOST = 16
_FILTERS_IN_TREE, _FILTERS = 4, 8
_CANDIDATES_IN_TREE, _CANDIDATES = 3, 5
_REASON_LINES = 8
"""Of a reasoning, `--full` shows the rest."""
_INDENT = " " * 10
_SAID_ON_THE_LINE = frozenset(
    {"model", "tokens_used", "usage", "input_tokens", "output_tokens"}
    | {"prompt_tokens", "completion_tokens", "total_tokens"}
)
"""What a tree's line says anyway, from the same facts as gen_ai.*."""


def notes(decision: Decision, theme: Theme) -> Iterator[str]:
    """`12 of 50 passed`, `→ the first of the ranking`."""
    if decision.evaluations:
        yield f"{decision.qualified_count:,} of {len(decision.evaluations):,} passed"
    if decision.candidates:
        yield f"{theme.arrow} {label_of(first_of(decision.candidates))}"


def glance(decision: Decision, to: Terminal) -> Iterator[Line]:
    """A few lines: each filter, the best candidates, the reasoning on one line, the metadata."""
    yield from _filter_lines(tallies(decision.evaluations), _FILTERS_IN_TREE, to)
    yield from _odd_lines(decision)
    if len(decision.candidates) > 1:  # a single one is said on the span's line
        yield from _ranking_lines(decision.candidates, _CANDIDATES_IN_TREE, to)
    yield from misshapen_lines(decision.misshapen_candidates, "candidate")
    limit = to.width if to.cuts else None
    if decision.reasoning:
        yield [Piece("because ", "dim"), Piece(head(" ".join(decision.reasoning.split()), limit))]
    others = {k: v for k, v in decision.llm.items() if k not in _SAID_ON_THE_LINE}
    for facts in (facts_text(others, to), facts_text(decision.metadata, to)):
        if facts:
            yield [Piece(facts, "dim")]


def account(decision: Decision, to: Terminal, *, full: bool) -> Iterator[Line]:
    """The same at length; `full`: all of each part."""
    yield from _labelled("why", _reason_lines(decision.reasoning, to, full=full))
    whole = full or not to.cuts
    yield from _labelled("eval", _evaluation_lines(decision, to, whole=whole))
    ranked = _ranking_lines(decision.candidates, None if whole else _CANDIDATES, to)
    misshapen = misshapen_lines(decision.misshapen_candidates, "candidate")
    yield from _labelled("rank", [*ranked, *misshapen])
    yield from _mapping_lines("llm", decision.llm, to, full=full)
    yield from _mapping_lines("meta", decision.metadata, to, full=full)


def _evaluation_lines(decision: Decision, to: Terminal, *, whole: bool) -> Iterator[Line]:
    if decision.evaluations:
        counts = f"{decision.qualified_count:,} of {len(decision.evaluations):,} passed"
        yield [Piece(counts)]
        yield from _filter_lines(tallies(decision.evaluations), None if whole else _FILTERS, to)
    yield from _odd_lines(decision)


def _odd_lines(decision: Decision) -> Iterator[Line]:
    """How many items were not understood, or not all of them."""
    if decision.half_understood_count:
        items = amounts.plural(decision.half_understood_count, "item")
        yield [Piece(f"{items} partly understood", "yellow")]
    yield from misshapen_lines(decision.misshapen_evaluations, "item")


def misshapen_lines(count: int, noun: str) -> Iterator[Line]:
    """That there are some of another shape than the documented one."""
    if count:
        yield [Piece(f"{amounts.plural(count, noun)} not understood: no object", "yellow")]


def label_of(item: Any) -> str:
    """An item's id, with the name or title that its data has."""
    data = item.item_data if isinstance(item.item_data, dict) else {}
    named = (data.get(key) for key in ("title", "name"))
    name = next((value for value in named if isinstance(value, str) and value), "")
    parts = (part for part in (item.item_id, name if name != item.item_id else "") if part)
    return brief_name(" ".join(parts)) or "(no id)"


def first_of(candidates: Iterable[Candidate]) -> Candidate:
    """The best: recorders may hand them in in any order."""
    return min(candidates, key=lambda candidate: candidate.rank)


def score_bar(candidate: Candidate, best: float, theme: Theme) -> str:
    """Its score beside the best one, blank without one; of one below zero nothing can be drawn."""
    if candidate.score is None or best <= 0:
        return " " * _BAR
    share = candidate.score / best
    return gauge(min(max(share, 0.0), 1.0), _BAR, theme)


def best_score(candidates: Iterable[Candidate]) -> float:
    return max((each.score for each in candidates if each.score is not None), default=0.0)


def _filter_lines(found: list[FilterTally], most: int | None, to: Terminal) -> Iterator[Line]:
    shown = found[:most]
    width = _name_width((brief(tally.filter) for tally in shown), to)
    digits = max((len(f"{tally.seen:,}") for tally in shown), default=0)
    differ = len({tally.cut for tally in found}) > 1
    for tally in shown:
        cuts_most = tally.cut == found[0].cut > 0
        share = tally.passed / tally.seen
        said = f"{tally.passed:>{digits},} of {tally.seen:>{digits},}"
        yield [
            *_cell(brief(tally.filter) or "(no name)", width, to),
            *_bar(gauge(share, _BAR, to.theme), "yellow" if cuts_most else "green", to),
            Piece(said),
            Piece("  cut most", "yellow") if cuts_most and differ else Piece(""),
        ]
    if len(shown) < len(found):
        more = amounts.plural(len(found) - len(shown), "more filter")
        yield [Piece(f"and {more}", "dim")]


def _ranking_lines(
    candidates: Iterable[Candidate], most: int | None, to: Terminal
) -> Iterator[Line]:
    ranked = sorted(candidates, key=lambda candidate: candidate.rank)
    shown = ranked[:most]
    best = best_score(ranked)
    scores = [score_text(each, to.theme) for each in shown]
    scored = max(map(cell_len, scores), default=0) if any(map(_is_scored, shown)) else 0
    has_bars = best > 0 and any(each.score is not None for each in shown)
    names = [label_of(each) for each in shown]
    width, ranks = _name_width(names, to), max((len(f"{each.rank}") for each in shown), default=0)
    for each, name, score in zip(shown, names, scores, strict=True):
        line = [Piece(f"{each.rank:>{ranks}} ", "dim"), *_cell(name, width, to)]
        if scored:
            bar = score_bar(each, best, to.theme)
            line += _bar(bar, "cyan", to) if has_bars else [Piece("  ")]
            line += padded([Piece(score)], max(scored, 6))
        yield [*line, Piece(f"  {brief(each.reason)}" if each.reason else "", "dim")]
    if len(shown) < len(ranked):
        more = amounts.plural(len(ranked) - len(shown), "more candidate")
        yield [Piece(f"and {more}", "dim")]


def _is_scored(candidate: Candidate) -> bool:
    return candidate.score is not None or candidate.score_text is not None


def score_text(candidate: Candidate, theme: Theme) -> str:
    """`0.93`, `12,345`; what else was given as the score, as it is."""
    score = candidate.score
    if score is None:
        said = candidate.score_text
        return theme.none if said is None else cut(brief(said), _SCORE_MOST, theme.ellipsis)
    return f"{score:,.0f}" if 1000 <= abs(score) < 1e15 else f"{score:.3g}"


def _reason_lines(reasoning: str, to: Terminal, *, full: bool) -> Iterator[Line]:
    if not reasoning.strip():
        return
    if not to.cuts and not full:
        yield [Piece(head(reasoning.strip(), None))]
        return
    room = max(to.width - len(_INDENT), 20)
    # Of a huge one, no more is wrapped than can be shown.
    text = reasoning.strip() if full else reasoning.strip()[: room * (_REASON_LINES + 1)]
    lines = to.wrapped(text, room)
    shown = lines if full else lines[:_REASON_LINES]
    yield from ([Piece(line)] for line in shown)
    if len(shown) < len(lines):
        yield [Piece("--full shows the rest", "dim")]


def _mapping_lines(
    label: str, found: Mapping[str, Any], to: Terminal, *, full: bool
) -> Iterator[Line]:
    if not found:
        return
    if full:
        yield from content_lines(f"   {label:<5}", _json(found), to, full=True)
    else:
        yield from _labelled(label, [[Piece(facts_text(found, to))]])


def facts_text(found: Mapping[str, Any], to: Terminal) -> str:
    """`key=value  key=value`, what is None left out."""
    limit = to.width if to.cuts else None
    said = (
        f"{key}={value if isinstance(value, str) else _json(value)}"
        for key, value in found.items()
        if value is not None
    )
    return head("  ".join(said), limit)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _labelled(label: str, lines: Iterable[Line]) -> Iterator[Line]:
    for index, line in enumerate(lines):
        yield [Piece(_INDENT if index else f"   {label:<5}  ", "dim"), *line]


def _name_width(names: Iterable[str], to: Terminal) -> int:
    widest = max(map(cell_len, names), default=0)
    return min(widest, _NAME_MOST, max(to.width // 3, 8)) if to.cuts else widest


def _cell(name: str, width: int, to: Terminal) -> Line:
    return padded(cut_line([Name(name)], width, to.theme.ellipsis), width)


def _bar(drawn: str, style: str, to: Terminal) -> Line:
    if to.width < BARS_FROM:
        return [Piece("  ")]
    return [Piece("  "), Piece(drawn, style), Piece("  ")]
