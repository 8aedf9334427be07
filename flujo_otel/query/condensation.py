"""Of siblings side by side those that say the same as one: what is alike, and many of one kind."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from flujo_otel.query.alignment import Pair
from flujo_otel.query.comparison import Comparison
from flujo_otel.query.fold import FOLD_ABOVE, OTHERS, ROUNDS, SIBLINGS_SHOWN

ALIKE_FROM = 3
"""So many neighbours without a difference are one line."""
_APART = 3
"""Of many of one kind, those that changed most stay."""
_DIGITS = re.compile(r"\d+")


class Several(NamedTuple):
    """Pairs of one kind, in their order: in both runs, or in one of them alone."""

    name: str
    pairs: Sequence[Pair]
    is_alike: bool


def condensed(siblings: Sequence[Pair], comparison: Comparison) -> list[Pair | Several]:
    """`siblings` in their order, as few lines as tell what is different."""
    alike = comparison.alike
    entries = _neighbours(siblings, alike)
    if len(entries) <= FOLD_ABOVE:
        return entries
    kinds: dict[tuple[object, ...], list[Pair]] = {}
    for pair in siblings:
        kind = ("alike",) if pair in alike else (*_kind(pair), pair in comparison.turned)
        kinds.setdefault(kind, []).append(pair)
    kept: set[Pair] = set()
    several: dict[Pair, Several] = {}
    for pairs in kinds.values():
        is_alike = pairs[0] in alike
        apart = set() if is_alike else _telling(pairs, comparison)
        rest = [pair for pair in pairs if pair not in apart]
        if len(rest) >= ALIKE_FROM and (is_alike or len(pairs) > FOLD_ABOVE):
            several[rest[0]] = Several(_common_name(rest), rest, is_alike)
            kept |= apart
        else:
            kept.update(pairs)
    found = [several.get(pair, pair) for pair in siblings if pair in kept or pair in several]
    return _first_of(found, comparison.turned)


def _neighbours(siblings: Sequence[Pair], alike: Collection[Pair]) -> list[Pair | Several]:
    found: list[Pair | Several] = []
    run: list[Pair] = []
    for pair in siblings:
        if pair in alike:
            run.append(pair)
            continue
        found += _joined(run)
        found.append(pair)
        run = []
    return [*found, *_joined(run)]


def _joined(run: list[Pair]) -> Sequence[Pair | Several]:
    return run if len(run) < ALIKE_FROM else [Several(_common_name(run), run, is_alike=True)]


def _kind(pair: Pair) -> tuple[object, ...]:
    sides = (None if node is None else node.status for node in (pair.base, pair.other))
    return (_DIGITS.sub("*", pair.node.name), pair.node.iteration is not None, *sides)


def _telling(pairs: Sequence[Pair], comparison: Comparison) -> set[Pair]:
    """Of one kind, where there are many: those that changed most, the first that failed in one run
    alone or have something beneath them that did, and the first of each error."""
    differences = comparison.differences
    changed = [pair for pair in pairs if differences[pair].is_longer_or_shorter]
    by_change = sorted(changed, key=lambda pair: -abs(differences[pair].duration_ns or 0))
    by_error: dict[object, Pair] = {}
    for pair in pairs:
        if any(differences[pair].errors):
            by_error.setdefault(differences[pair].errors, pair)
    turned = [pair for pair in pairs if pair in comparison.turned]
    return {*by_change[:_APART], *turned[:_APART], *list(by_error.values())[:_APART]}


def _first_of(entries: list[Pair | Several], turned: Collection[Pair]) -> list[Pair | Several]:
    """The first of many that are all different; what failed in one run alone wherever it stands."""
    shown, rest = entries[:SIBLINGS_SHOWN], entries[SIBLINGS_SHOWN:]
    kept = [each for each in rest if _pairs(each)[0] in turned][:SIBLINGS_SHOWN]
    known = set(map(id, kept))
    hidden = [pair for each in rest if id(each) not in known for pair in _pairs(each)]
    others = [Several(OTHERS, hidden, is_alike=False)] if hidden else []
    return [*shown, *kept, *others]


def _pairs(entry: Pair | Several) -> Sequence[Pair]:
    return entry.pairs if isinstance(entry, Several) else [entry]


def _common_name(pairs: Sequence[Pair]) -> str:
    """ "" where they are called all differently."""
    names = {_DIGITS.sub("*", pair.node.name) for pair in pairs}
    if len(names) > 1:
        return ""
    whole = {pair.node.name for pair in pairs}
    return (whole if len(whole) == 1 else names).pop() or ROUNDS
