"""Spans looked for among all runs: by a piece of text, by attributes, by what they are called.

text "sour milk"       in answer: exception.message "ValueError: sour milk"
attribute user.id=42   in support: user.id 42
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count, islice, repeat
from typing import Any, Final, NamedTuple

from flujo_otel.model import Run, RunStatus, Span
from flujo_otel.semconv import openinference
from flujo_otel.spanstore.api import RunFilter, SpanHints, TraceReader

_RUNS_AT_ONCE: Final = 50
_PAGE_RUNS: Final = 500
_DEPTH_LIMIT: Final = 8
"""Of JSON in JSON that is looked into."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9 .,:;?@#$()\[\]{}*+|~^_%!-]+")
"""Text that stands in JSON as it is, whoever wrote it and however often it is written as JSON
again: Go and Java escape < > & = too, PHP the slash."""
_CONDITION: Final = re.compile(r"([^=<>]+)(?:(>=|<=|=|<|>)(.*))?", re.DOTALL)
_COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}


_OF_ALL_SPANS: Final = frozenset(
    {openinference.INPUT_MIME_TYPE, openinference.OUTPUT_MIME_TYPE, openinference.SPAN_KIND}
)
"""What nearly each span of a pipeline has: whoever looks for `json` or `chain` means none of them.
A condition finds them."""


class Condition(NamedTuple):
    """Of an attribute: that there is one of this `key`; with `sign`, what its value is, a list's if
    any part of it is that."""

    key: str
    sign: str = ""
    value: str = ""

    @classmethod
    def of(cls, text: str) -> "Condition":
        """`KEY`, `KEY=VALUE`, or `KEY>NUMBER` with `>`, `<`, `>=` or `<=`. Raises ValueError."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise ValueError(text)
        key, sign, value = match[1].strip(), match[2] or "", match[3] or ""
        if sign in _COMPARED:
            float(value)
        return cls(key, sign, value)

    def holds(self, value: Any) -> bool:
        """Whether it does of an attribute of its key with this value."""
        if isinstance(value, list) and self.sign:
            return any(self.holds(each) for each in value) or self._is(value)
        return not self.sign or self._is(value)

    def _is(self, value: Any) -> bool:
        number = _number(value)
        if self.sign == "=":
            is_same_number = number is not None and number == _number(self.value)
            return text_of(value) == self.value or is_same_number
        return number is not None and _COMPARED[self.sign](number, float(self.value))


class Search(NamedTuple):
    """What is looked for: `text` in any case, all of `conditions`. What is None asks for nothing.

    `status`: also `died`, what was open when its process went. `least_ns`: it took as long, or has
    been open for as long. `run_id`, `pipeline`, `since_ns`: in which runs.
    """

    text: str | None = None
    conditions: tuple[Condition, ...] = ()
    name: str | None = None
    status: str | None = None
    least_ns: int = 0
    run_id: str | None = None
    pipeline: str | None = None
    since_ns: int | None = None


class Place(NamedTuple):
    """Where in a span it was found: `text` of its part `name`, from `start` to `end` of it. Both 0:
    it is all of it."""

    name: str
    text: str
    start: int = 0
    end: int = 0


class Found(NamedTuple):
    """A span that matches, and why: no place where it was looked for by other things alone."""

    span: Span
    places: tuple[Place, ...]


class FoundRun(NamedTuple):
    """A run with spans that match, in order of start."""

    run: Run
    found: list[Found]


def search(
    reader: TraceReader, where: Search, now_ns: int, progress: Callable[[int], None]
) -> Iterator[FoundRun]:
    """The runs that have such spans, newest first. `progress` is told how many runs have been
    looked through. Raises what a TraceReader does."""
    runs = _runs(reader, where)
    hints = _hints(where)
    done = 0
    # The newest alone at first: of that most is asked.
    for size in chain([1], repeat(_RUNS_AT_ONCE)):
        page = list(islice(runs, size))
        if not page:
            return
        matching: dict[str, list[Found]] = {run.run_id: [] for run in page}
        of_id = {run.run_id: run for run in page}
        for span in reader.candidates(list(of_id), hints):
            found = found_in(span, of_id[span.run_id], where, now_ns)
            if found is not None:
                matching[span.run_id].append(found)
        for run in page:
            if matching[run.run_id]:
                yield FoundRun(run, sorted(matching[run.run_id], key=_start))
        done += len(page)
        progress(done)


def found_in(span: Span, run: Run, where: Search, now_ns: int) -> Found | None:
    """`span` of `run` with why it matches; None: it does not."""
    if where.name not in (None, span.name) or not _has_status(span, run, where.status):
        return None
    if where.least_ns and _took_ns(span, run, now_ns) < where.least_ns:
        return None
    places: list[Place] = []
    for condition in where.conditions:
        value = span.attributes.get(condition.key)
        if condition.key not in span.attributes or not condition.holds(value):
            return None
        places.append(Place(condition.key, text_of(value)))
    if where.text is not None:
        said = list(_places(span, where.text))
        if not said:
            return None
        places += said
    return Found(span, tuple(places))


def text_of(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _hints(where: Search) -> SpanHints:
    wanted = [condition.key for condition in where.conditions]
    wanted += [each.value for each in where.conditions if each.sign == "=" and not _is_number(each)]
    wanted += [where.text] if where.text is not None else []
    fragments = (max(_PLAIN.findall(text), key=len, default="") for text in wanted)
    status = RunStatus.RUNNING if where.status == RunStatus.DIED else where.status
    return SpanHints(tuple(filter(None, fragments)), where.name, status, where.least_ns)


def _is_number(condition: Condition) -> bool:
    """`1.50` may stand there as 1.5."""
    return _number(condition.value) is not None


def _runs(reader: TraceReader, where: Search) -> Iterator[Run]:
    """Newest first."""
    if where.run_id is not None:
        run = reader.get_run(where.run_id)
        yield from [run] if run is not None else []
        return
    filtered = RunFilter(pipeline=where.pipeline, since_ns=where.since_ns)
    before: set[str] = set()
    # More of a page that holds nothing but runs that started in the same nanosecond.
    for factor in count(1):
        page = reader.list_runs(filtered, factor * _PAGE_RUNS)
        fresh = [run for run in page if run.run_id not in before]
        yield from fresh
        if len(page) < factor * _PAGE_RUNS:
            return
        if fresh:
            filtered = filtered._replace(until_ns=page[-1].start_time_ns)
        before = {run.run_id for run in page}


def _has_status(span: Span, run: Run, status: str | None) -> bool:
    """What is stored as running in a run whose process is gone has died with it."""
    if status is None:
        return True
    has_died = span.status == RunStatus.RUNNING and run.is_gone
    return status == (RunStatus.DIED if has_died else span.status)


def _took_ns(span: Span, run: Run, now_ns: int) -> int:
    end_ns = span.end_time_ns
    if end_ns is None:
        end_ns = run.last_time_ns if run.is_gone else now_ns
    return end_ns - span.start_time_ns


def _places(span: Span, wanted: str) -> Iterator[Place]:
    """The first of each part."""
    told: set[str] = set()
    for name, text in _texts(span):
        at = _at(wanted, text) if name not in told else None
        if at is not None:
            told.add(name)
            yield Place(name, text, *at)


def _at(wanted: str, text: str) -> tuple[int, int] | None:
    """From where to where `wanted` stands in `text`, in any case."""
    if wanted.isascii() and text.isascii():
        # In 10 MB of one character, for 1,000 of it and another, the expression takes 25 s.
        start = text.lower().find(wanted.lower())
        return None if start < 0 else (start, start + len(wanted))
    match = re.search(re.escape(wanted), text, re.IGNORECASE)
    return None if match is None else match.span()


def _texts(span: Span) -> Iterator[tuple[str, str]]:
    """What can be read in it, by the name of the part that it stands in."""
    yield "name", span.name
    if span.status_message:
        yield "status message", span.status_message
    for key, value in span.attributes.items():
        if key not in _OF_ALL_SPANS:
            yield from ((key, text) for text in _readings(value))
    for event in span.events:
        yield "event", event.name
        for key, value in event.attributes.items():
            yield from ((f"{event.name}: {key}", text) for text in _readings(value))


def _readings(value: Any) -> Iterator[str]:
    """Its text; where JSON wrote something in it otherwise, the texts in that JSON too."""
    text = text_of(value)
    yield text
    if "\\" in text:
        yield from _leaves(value, _DEPTH_LIMIT)


def _leaves(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, str) and value[:1] in ('"', "[", "{"):
        try:
            yield from _leaves(json.loads(value), depth - 1)
        except (ValueError, RecursionError):
            yield value
    elif isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | Sequence):
        parts = [*value, *value.values()] if isinstance(value, Mapping) else value
        for part in parts:
            yield from _leaves(part, depth - 1)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _start(found: Found) -> int:
    return found.span.start_time_ns
