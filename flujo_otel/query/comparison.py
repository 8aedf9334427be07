"""What is different between two runs whose spans are aligned, node by node and in all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isclose
from typing import Any, Final, NamedTuple

from flujo_otel.query.alignment import Pair, walk_pairs
from flujo_otel.query.exchange import READ, exchange_of
from flujo_otel.query.failure import failure_of
from flujo_otel.query.peculiarity import SILENT, peculiarities_of
from flujo_otel.query.spending import Spent
from flujo_otel.query.tree import Node

NOISE_NS: Final = 10_000_000
NOISE_SHARE: Final = 0.1
"""Less than either, of the longer one, is no change. Of the same pipeline run ten times on a
machine with something else to do, steps of 20 to 60 ms took up to 9 ms longer than their median."""


class Fact(NamedTuple):
    """What is said of a node by `name`, in each run; None: nothing."""

    name: str
    base: Any
    other: Any


class Difference(NamedTuple):
    """Of one pair; of a node that one run alone has, what that makes."""

    duration_ns: int | None
    """How much longer it took; None: nobody knows, for it is not over or has no end, or is not
    there in a run that is not over."""
    is_longer_or_shorter: bool
    """By more than noise."""
    status: bool
    facts: Sequence[Fact]
    tokens: int
    cost_usd: float
    input: bool
    output: bool
    """Only where both runs recorded it."""
    errors: tuple[str | None, str | None]
    """Messages, where they are not the same."""

    @property
    def is_any(self) -> bool:
        is_spent = bool(self.tokens or self.cost_usd)
        values = self.is_longer_or_shorter, self.status, is_spent, self.input, self.output
        return any((*values, *self.facts, *self.errors))


class Particulars(NamedTuple):
    """What a run's spans used and cost, the ids that no other run has, and whether it is over: what
    one that is not has not may be yet to come."""

    by_span: Mapping[str, Spent]
    ids: Sequence[str] = ()
    is_over: bool = True


class Comparison:
    """Of all pairs of a tree (`alignment.align`)."""

    def __init__(self, roots: Sequence[Pair], base: Particulars, other: Particulars) -> None:
        self.roots: Final = roots
        self.differences: Final[dict[Pair, Difference]] = {}
        self.alike: Final[set[Pair]] = set()
        """Without any difference, in them and beneath them."""
        self.turned: Final[set[Pair]] = set()
        """In which, or beneath which, one run failed and the other did not, or otherwise."""
        self._spent: Final = _Totals(base.by_span), _Totals(other.by_span)
        self._ids: Final = base.ids, other.ids
        self._are_over: Final = base.is_over, other.is_over
        for pair, _, _ in reversed(list(walk_pairs(roots))):  # children before their parents
            found = self._difference(pair)
            self.differences[pair] = found
            is_in_both = pair.base is not None and pair.other is not None
            if is_in_both and not found.is_any and self.alike.issuperset(pair.children):
                self.alike.add(pair)
            if found.status or any(found.errors) or not self.turned.isdisjoint(pair.children):
                self.turned.add(pair)

    def spent(self, pair: Pair) -> tuple[Spent | None, Spent | None]:
        """In it and beneath it, in each run; None: nobody tells, or there is no such node."""
        base, other = self._spent
        return base.of(pair.base), other.of(pair.other)

    def other_values(self, pairs: Iterable[Pair]) -> tuple[int, int]:
        """Of how many of `pairs`, and of those beneath them, input and output differ."""
        found = [self.differences[pair] for pair, _, _ in walk_pairs(pairs)]
        return sum(each.input for each in found), sum(each.output for each in found)

    def _difference(self, pair: Pair) -> Difference:
        base, other = pair.base, pair.other
        spent = self.spent(pair)
        facts, is_other_input, is_other_output = self._recorded(base, other)
        base_ns, other_ns = (
            (0 if is_over else None) if node is None else node.duration_ns
            for node, is_over in zip((base, other), self._are_over, strict=True)
        )
        is_unknown = base_ns is None or other_ns is None
        was_ns, now_ns = base_ns or 0, other_ns or 0
        return Difference(
            duration_ns=None if is_unknown else now_ns - was_ns,
            is_longer_or_shorter=not is_unknown and is_noticeable(was_ns, now_ns),
            status=base is not None and other is not None and base.status != other.status,
            facts=facts,
            tokens=int(self._so_far(pair, _tokens(spent[1]) - _tokens(spent[0]))),
            cost_usd=self._so_far(pair, _more(_cost(spent[0]), _cost(spent[1]))),
            input=is_other_input,
            output=is_other_output,
            errors=self._errors(base, other),
        )

    def _so_far(self, pair: Pair, more: float) -> float:
        """`more`, but 0 where the one with less is not over."""
        place, node = (1, pair.other) if more < 0 else (0, pair.base)
        is_over = self._are_over[place] if node is None else node.end_time_ns is not None
        return more if is_over else 0

    def _recorded(self, base: Node | None, other: Node | None) -> tuple[Sequence[Fact], bool, bool]:
        if base is None or other is None or base.span is None or other.span is None:
            return (), False, False
        said = base.span.attributes, other.span.attributes
        changed = _changed(*said)
        is_silent = changed <= SILENT and base.name == other.name
        is_silent = is_silent and len(base.span.events) == len(other.span.events)
        facts = [] if is_silent else list(_facts(base, other))
        if changed.isdisjoint(READ):
            return facts, False, False
        was, now = exchange_of(said[0]), exchange_of(said[1])
        is_other_input = self._is_other(was.input, now.input)
        return facts, is_other_input, self._is_other(was.output, now.output)

    def _is_other(self, base: str | None, other: str | None) -> bool:
        """What names its own run alone is the same."""
        if base is None or other is None or base == other:
            return False
        return _without(base, self._ids[0]) != _without(other, self._ids[1])

    def _errors(self, base: Node | None, other: Node | None) -> tuple[str | None, str | None]:
        was, now = _message(base), _message(other)
        is_same = was == now or (was and now and not self._is_other(was, now))
        return (None, None) if is_same else (was, now)


class _Totals:
    """What nodes used, those that stand for several spans too."""

    def __init__(self, by_span: Mapping[str, Spent]) -> None:
        self._by_span = by_span
        self._groups: dict[Node, Spent | None] = {}

    def of(self, node: Node | None) -> Spent | None:
        if node is None or not self._by_span:
            return None
        if node.span is not None:
            return self._by_span.get(node.span.span_id)
        if node not in self._groups:  # those in it were asked for before
            parts = [part for child in node.children if (part := self.of(child)) is not None]
            total = Spent(
                total_tokens=sum(_tokens(part) for part in parts),
                cost_usd=sum(_cost(part) for part in parts),
            )
            self._groups[node] = total if parts else None
        return self._groups[node]


def is_noticeable(base_ns: int, other_ns: int) -> bool:
    """Whether one is longer than the other by more than noise."""
    more_ns = abs(other_ns - base_ns)
    return more_ns >= NOISE_NS and more_ns >= NOISE_SHARE * max(base_ns, other_ns)


def _changed(base: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Attributes that are not the same."""
    keys = base.keys() | other.keys()
    return {key for key in keys if base.get(key) != other.get(key)}


def _facts(base: Node, other: Node) -> Iterator[Fact]:
    was, now = peculiarities_of(base), peculiarities_of(other)
    if was != now:
        for name in {**was, **now}:
            if was.get(name) != now.get(name) and not _is_to_come(name, base, was, other, now):
                yield Fact(name, was.get(name), now.get(name))


def _is_to_come(
    name: str, base: Node, was: Mapping[str, Any], other: Node, now: Mapping[str, Any]
) -> bool:
    """Whether one of them has not said it, and has not ended: most is recorded at the end."""
    sides = ((base, was), (other, now))
    return any(node.end_time_ns is None and said.get(name) is None for node, said in sides)


def _message(node: Node | None) -> str | None:
    if node is None or node.span is None or node.status != "failed":
        return None
    failure = failure_of(node.span)
    return failure.message if failure is not None else None


def _without(text: str, ids: Iterable[str]) -> str:
    for each in ids:
        text = text.replace(each, "")
    return text


def _tokens(spent: Spent | None) -> int:
    return (spent.total_tokens or 0) if spent is not None else 0


def _cost(spent: Spent | None) -> float:
    return (spent.cost_usd or 0.0) if spent is not None else 0.0


def _more(base: float, other: float) -> float:
    """Sums of the same parts may differ in their last digits."""
    return 0.0 if isclose(base, other, rel_tol=1e-9, abs_tol=1e-12) else other - base
