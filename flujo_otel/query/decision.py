"""What a span says of how it was decided: the reasoning, what was evaluated, what was ranked.

The JSON in these attributes may come from anywhere. An item that is not of the documented shape is
not read but counted, and the attribute stays one like any other, for whoever wants to see it.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from flujo_otel.query.recorded import value_of
from flujo_otel.semconv import xray

T = TypeVar("T")

_MOST_LEVELS = 50
"""Attributes that are no text have no more either (docs/spans.md)."""


class FilterVerdict(NamedTuple):
    """What one filter said of one item."""

    filter: str
    passed: bool
    detail: str


class Evaluation(NamedTuple):
    """One item: `verdicts` in the order in which they were recorded."""

    item_id: str
    item_data: Any
    verdicts: Sequence[FilterVerdict]
    qualified: bool
    reasoning: str
    not_understood: Mapping[str, Any] = {}
    """By member, what was recorded of it and says nothing: of `filters`, a list of those."""


class FilterTally(NamedTuple):
    """A filter: of the items that it has `seen`, `passed` went through."""

    filter: str
    passed: int
    seen: int

    @property
    def cut(self) -> int:
        """How many it kept out."""
        return self.seen - self.passed


class Candidate(NamedTuple):
    """One of a ranking; `score` None: not given, or no finite number."""

    item_id: str
    rank: int
    score: float | None
    reason: str
    item_data: Any
    score_text: str | None = None
    """What was given as the score, where it is no finite number: `high`, `A+`, `NaN`."""


class Decision(NamedTuple):
    """Each part empty where it is not there, or is not of its shape."""

    reasoning: str = ""
    evaluations: Sequence[Evaluation] = ()
    candidates: Sequence[Candidate] = ()
    llm: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    read: frozenset[str] = frozenset()
    """The attributes that it was read from, all of each."""
    misshapen_evaluations: int = 0
    """Items that are no objects, and candidates likewise."""
    misshapen_candidates: int = 0

    @property
    def qualified_count(self) -> int:
        return sum(evaluation.qualified for evaluation in self.evaluations)

    @property
    def half_understood_count(self) -> int:
        """Evaluated items of which something was not understood."""
        return sum(bool(evaluation.not_understood) for evaluation in self.evaluations)


def decision_of(attributes: Mapping[str, Any]) -> Decision | None:
    """What is there of it; None where nothing is."""
    if not any(name in attributes for name in xray.DECISION):  # most spans
        return None
    evaluations, bad_evaluations = _each(attributes.get(xray.EVALUATIONS), _evaluation)
    candidates, bad_candidates = _each(attributes.get(xray.RANKED_CANDIDATES), _candidate)
    found = Decision(
        _text(attributes.get(xray.REASONING)),
        evaluations,
        candidates,
        _mapping(attributes.get(xray.LLM)),
        _mapping(attributes.get(xray.METADATA)),
        misshapen_evaluations=bad_evaluations,
        misshapen_candidates=bad_candidates,
    )
    parts = {name for name, part in zip(xray.DECISION, found, strict=False) if part}
    if not parts and not (bad_evaluations or bad_candidates):
        return None
    in_part = {xray.EVALUATIONS: bad_evaluations, xray.RANKED_CANDIDATES: bad_candidates}
    return found._replace(read=frozenset(name for name in parts if not in_part.get(name)))


def tallies(evaluations: Sequence[Evaluation]) -> list[FilterTally]:
    """Each filter, the one that kept out most first, equals in order of appearance."""
    counts: dict[str, tuple[int, int]] = {}
    for evaluation in evaluations:
        for verdict in evaluation.verdicts:
            passed, seen = counts.get(verdict.filter, (0, 0))
            counts[verdict.filter] = (passed + verdict.passed, seen + 1)
    found = [FilterTally(name, *of) for name, of in counts.items()]
    return sorted(found, key=lambda tally: -tally.cut)


def _each(value: Any, read: Callable[[int, dict[str, Any]], T]) -> tuple[Sequence[T], int]:
    """The array's objects, read, and how many could not be; nothing where it is no array."""
    items = _parsed(value)
    if not isinstance(items, list):
        return (), 0
    found = [read(index, item) for index, item in enumerate(items) if isinstance(item, dict)]
    return found, len(items) - len(found)


def _evaluation(_: int, item: dict[str, Any]) -> Evaluation:
    verdicts, odd = _verdicts(item.get("filters"))
    not_understood: dict[str, Any] = {"filters": odd} if odd else {}
    given = item.get("qualified")
    qualified = _truth(given)
    if qualified is None:
        if given is not None:
            not_understood["qualified"] = given
        qualified = not not_understood and all(verdict.passed for verdict in verdicts)
    return Evaluation(
        item_id=_text(item.get("item_id")),
        item_data=item.get("item_data"),
        verdicts=verdicts,
        qualified=qualified,
        reasoning=_text(item.get("reasoning")),
        not_understood=not_understood,
    )


def _verdicts(filters: Any) -> tuple[list[FilterVerdict], list[Any]]:
    """What they said, and those of which nobody knows what they said."""
    found: list[FilterVerdict] = []
    odd: list[Any] = []
    for each in filters if isinstance(filters, list) else [filters] if filters else []:
        passed = _truth(each.get("passed")) if isinstance(each, dict) else None
        if passed is None:
            odd.append(each)
        else:
            found.append(FilterVerdict(_text(each.get("name")), passed, _text(each.get("detail"))))
    return found, odd


def _truth(value: Any) -> bool | None:
    """None of what is neither bool nor number: SQLite and pandas say 0 and 1."""
    return bool(value) if isinstance(value, (bool, int, float)) else None


def _candidate(index: int, item: dict[str, Any]) -> Candidate:
    rank, score = item.get("rank"), item.get("score")
    return Candidate(
        item_id=_text(item.get("item_id")),
        rank=rank if isinstance(rank, int) and not isinstance(rank, bool) else index + 1,
        score=_finite(score),
        reason=_text(item.get("reason")),
        item_data=item.get("item_data"),
        score_text=None if score is None or _finite(score) is not None else _text(score),
    )


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    found = _parsed(value)
    return found if isinstance(found, dict) else {}


def _parsed(value: Any) -> Any:
    """JSON text as the value that it is; a sender may as well have sent the value itself."""
    if not isinstance(value, str):
        return value
    try:
        return value_of(value, _MOST_LEVELS)
    except ValueError:
        return None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
