"""What each step changed in its pipeline's context, or in its graph's state.

A node of a graph records the state before it and after it, and the difference is what it changed.

A step of flujo's does not: flujo's producers record the run's context where the run begins
(`flujo.context.before`) and after each step that left it another one (`flujo.context.after`), so
what a step found is what was recorded last before it. What flujo itself changes once a step has
ended, they record before the next step, or after the run. A step that works on a copy of the
context records that copy before and after it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.model import Span
from flujo_otel.query.change import Change, changes_between, touches
from flujo_otel.query.recorded import value_of
from flujo_otel.semconv import flujo, graph

_BOOKKEEPING: Final = frozenset({"current_step", "current_step_index", "step_outputs"})
"""What flujo 0.6 itself notes with each step; the outputs are told as such."""
_BEFORE, _AFTER = flujo.EVENT_CONTEXT_BEFORE, flujo.EVENT_CONTEXT_AFTER

Changes = Mapping[str, Sequence[Change]]
"""By the id of the step's row (`Span.span_id`); a step that changed nothing is not in it."""


class _Record(NamedTuple):
    """A context as it was at one moment: `text` is its JSON."""

    time_ns: int
    text: str
    is_copy: bool


def changes_of(
    root: Span | None, steps: Sequence[Span], of: Iterable[Span] | None = None
) -> Changes:
    """What is known of what each step changed.

    `root` and `steps`: the spans of one run that record its context, all of them, whichever steps
    are asked for. `of`: the steps to tell of; None: all.
    """
    trail = _Trail(root, steps)
    found: dict[str, Sequence[Change]] = {}
    for step in steps if of is None else of:
        changes = [*trail.changes(step), *_state_changes(step)]
        if changes:
            found[step.span_id] = changes
    return found


def _state_changes(node: Span) -> Iterator[Change]:
    before = _recorded(node, graph.EVENT_STATE_BEFORE, graph.STATE)
    after = _recorded(node, graph.EVENT_STATE_AFTER, graph.STATE)
    if before is not None and after is not None:
        yield from changes_between(_parsed(before.text), _parsed(after.text))


class _Outside(NamedTuple):
    """The run's own context once an outermost step was over, and the paths that it changed."""

    after: Any
    changed: Sequence[str]


class _Trail:
    """What was recorded of the context of each run: one that was resumed is under a span of its
    own, and what became of its context meanwhile is nobody's doing."""

    def __init__(self, root: Span | None, steps: Sequence[Span]) -> None:
        self._spans = {step.otel_span_id: step for step in steps}
        self._records: dict[str | None, list[_Record]] = {}
        self._outside: dict[str, _Outside | None] = {}
        """By the span id of an outermost step, what it did to the run's own context."""
        self._late: dict[str, str] = {}
        """By the span id of a step, the context as flujo left it once the step had ended."""
        for span in (root, *steps) if root is not None else steps:
            for name in (_BEFORE, _AFTER):
                record = _recorded(span, name)
                if record is not None and not record.is_copy:
                    run = span.otel_span_id if span is root else self._run_of(span)
                    self._records.setdefault(run, []).append(record)
        for records in self._records.values():
            records.sort()
        self._note_late(root, steps)

    def changes(self, step: Span) -> Iterator[Change]:
        """Nothing where it is not known what the context was before or after `step`."""
        before, after = self.before(step), self.after(step)
        if before is not None and after is not None:
            changes = list(changes_between(_parsed(before), _parsed(after), _BOOKKEEPING))
            yield from self.kept_or_lost(step, changes, _parsed(after))

    def before(self, step: Span) -> str | None:
        """The context that `step` found, as JSON; None: nobody knows."""
        own = _recorded(step, _BEFORE)
        if own is not None:
            return own.text
        records = self._records.get(self._run_of(step), [])
        place = bisect_right(records, step.start_time_ns, key=lambda record: record.time_ns)
        return records[place - 1].text if place else None

    def after(self, step: Span) -> str | None:
        """The context once `step` was over, as JSON; None: nobody knows."""
        own = _recorded(step, _AFTER)
        return self._late.get(step.span_id, None if own is None else own.text)

    def kept_or_lost(self, step: Span, changes: Sequence[Change], after: Any) -> Iterator[Change]:
        """`changes` of `step`, after which its context was `after`, where that is a copy told with
        whether the run's own context had them in the end.

        What a later round replaced was kept until then: lost is only where the run's context is
        another than the copy though nothing was changed in it.
        """
        own = _recorded(step, _BEFORE)
        if own is None or not own.is_copy:
            yield from changes
            return
        outside = self._outside_of(step)
        differing = () if outside is None else _paths(after, outside.after)
        for change in changes:
            lost = touches(change.path, differing) and not (
                outside is not None and touches(change.path, outside.changed)
            )
            yield change._replace(is_copy=True, is_lost=lost)

    def _outside_of(self, step: Span) -> "_Outside | None":
        """None: it is not known, or not over."""
        outermost = self._outermost(step)
        if outermost.span_id not in self._outside:
            before = self.before(outermost)
            after = self.after(outermost) or before
            is_known = outermost is not step and outermost.end_time_ns is not None
            self._outside[outermost.span_id] = (
                _Outside(_parsed(after), _paths(_parsed(before), _parsed(after)))
                if is_known and before is not None and after is not None
                else None
            )
        return self._outside[outermost.span_id]

    def _note_late(self, root: Span | None, steps: Sequence[Span]) -> None:
        latest: dict[str | None, Span] = {}
        for step in sorted(steps, key=lambda each: each.start_time_ns):
            record = _recorded(step, _BEFORE)
            if record is not None and record.is_copy:
                continue
            if record is not None and step.otel_parent_id in latest:
                self._late[latest[step.otel_parent_id].span_id] = record.text
            latest[step.otel_parent_id] = step
        last = None if root is None else _recorded(root, _AFTER)
        if root is not None and last is not None and root.otel_span_id in latest:
            self._late[latest[root.otel_span_id].span_id] = last.text

    def _run_of(self, step: Span) -> str | None:
        """The OTel id of the span that its outermost step is under."""
        return self._outermost(step).otel_parent_id

    def _outermost(self, step: Span) -> Span:
        seen: set[str] = set()
        while step.otel_parent_id in self._spans and step.otel_span_id not in seen:
            seen.add(step.otel_span_id)
            step = self._spans[step.otel_parent_id]
        return step


def _recorded(span: Span, name: str, key: str = flujo.CONTEXT) -> _Record | None:
    for event in reversed(span.events):
        text = event.attributes.get(key)
        if event.name == name and isinstance(text, str):
            return _Record(event.time_ns, text, bool(event.attributes.get(flujo.CONTEXT_IS_COPY)))
    return None


def _parsed(text: str) -> Any:
    try:
        return value_of(text)
    except ValueError:
        return text


def _paths(before: Any, after: Any) -> Sequence[str]:
    return [change.path for change in changes_between(before, after, _BOOKKEEPING)]
