"""One step of a run: in three lines among others, or opened."""

from collections.abc import Iterator, Sequence
from itertools import islice

from flujo_otel.model import Run, Span, Step
from flujo_otel.query.alike import Alike
from flujo_otel.query.change import Change
from flujo_otel.query.decision import decision_of
from flujo_otel.query.exchange import Exchange, exchange_of
from flujo_otel.query.failure import Failure, exception_of, failure_of, in_full
from flujo_otel.query.resume import Wait, question_of, wait_after
from flujo_otel.query.rounds import round_of
from flujo_otel.semconv import flujo
from flujo_otel_cli import amounts
from flujo_otel_cli.changes import change_lines
from flujo_otel_cli.content import PIPED_MOST, content_lines, opened_lines, parsed
from flujo_otel_cli.conversation import opened_exchange, told_exchange
from flujo_otel_cli.decision import account
from flujo_otel_cli.failures import message_lines, reason_lines
from flujo_otel_cli.line import Line, Name, Piece
from flujo_otel_cli.notes import WAITS, step_kind
from flujo_otel_cli.runs import has_no_end, lasted, status_within, waited
from flujo_otel_cli.span import body, decided, failure_text
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import both_ends, brief_name, escape
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import duration
from flujo_otel_cli.unfolding import unfolding

_ERROR = "   error  "
_ERROR_LINES = 6
_NO_CLASSES = frozenset({flujo.ERROR_TYPE_TIMEOUT, flujo.ERROR_TYPE_OTHER})
_SHOWN_ABOVE = frozenset({flujo.STEP_ATTEMPTS, flujo.ERROR_MESSAGE, flujo.FALLBACK_ORIGINAL_ERROR})


def step_lines(
    run: Run,
    step: Step,
    span: Span | None,
    to: Terminal,
    now_ns: int,
    *,
    waits: Sequence[Wait] = (),
    full: bool,
) -> Iterator[Line]:
    """Its status, name and cost; beneath, input, output, error and how it was decided. `waits`:
    when the run stood still for a human."""
    wait = _wait(step, span, waits)
    yield _heading(run, step, span, to, now_ns, wait=wait)
    exchange = Exchange(step.input, step.output, step.input)
    yield from told_exchange(span, exchange, to, full=full)
    yield from content_lines("   asks ", _question(step, span), to, full=full, piped=PIPED_MOST)
    yield from content_lines("   reply", _reply(wait), to, full=full, piped=PIPED_MOST)
    error = _with_class(error_text(step.error), span)
    if full:
        yield from content_lines("   error", error, to, full=True, style=_style(step))
    else:
        yield from error_lines(error, to)
    if span is not None:
        yield from ([Piece("   "), *line] for line in reason_lines(span, to, to.width - 3))
    decision = decision_of(span.attributes) if span is not None else None
    if decision is not None:
        yield from account(decision, to, full=full)


def alike_lines(run: Run, found: Alike, to: Terminal) -> Iterator[Line]:
    """Steps that are alike: how many, what they took and cost, the worst; of failed ones an
    error."""
    theme, steps = to.theme, found.steps
    status = status_within(run, steps[0].status, steps[0].end_time_ns)
    durations = [(ns, each) for each in steps if (ns := each.duration_ns) is not None]
    worst_ns, worst = max(durations, key=lambda pair: pair[0], default=(0, steps[0]))
    cost = sum(each.cost_usd or 0 for each in steps)
    tokens = sum(each.tokens or 0 for each in steps)
    which = f" ({brief_name(worst.step_name)})" if worst.step_name != found.name else ""
    facts = [
        f"added up {duration(sum(ns for ns, _ in durations), theme.micro)}" if durations else "",
        f"worst {duration(worst_ns, theme.micro)}{which}" if durations else "",
        amounts.cost(cost, at_least=any(each.unpriced_count for each in steps)),
        amounts.plural(tokens, "token") if tokens else "",
        f"{amounts.plural(found.within_count, 'step')} within" if found.within_count else "",
    ]
    line = [
        Piece(f"{theme.mark(status)} ", STYLES.get(status, "")),
        Piece(f"{steps[0].step_index} ", "dim"),
        Name(brief_name(found.name) or "(no name)", "bold"),
        Piece(f" {theme.times}{len(steps):,}", "bold"),
        Piece("  " + theme.dot.join(fact for fact in facts if fact), "dim"),
    ]
    yield from unfolding(line, theme.dot if any(facts) else "  ", to)
    yield from error_lines(next((error_text(e.error) for e in steps if e.error), None), to)


def _question(step: Step, span: Span | None) -> str | None:
    return question_of(span) if step.status == "paused" and span is not None else None


def _wait(step: Step, span: Span | None, waits: Sequence[Wait]) -> Wait | None:
    """The one that `step` began with its question."""
    if not waits or step.status != "paused" or step.end_time_ns is None or span is None:
        return None
    asks = step_kind(span.attributes) == WAITS or question_of(span) is not None
    return wait_after(waits, step.end_time_ns) if asks else None


def _reply(wait: Wait | None) -> str | None:
    return None if wait is None else exchange_of(wait.part.attributes).input


def error_lines(error: str | None, to: Terminal) -> Iterator[Line]:
    """The first few lines of it, on a terminal in as many as they take."""
    if error is None:
        return
    room = max(to.width - len(_ERROR), 20)
    found = (line for text in error.rstrip().split("\n") for line in message_lines(text, to, room))
    for index, line in enumerate(islice(found, _ERROR_LINES)):
        yield [Piece(" " * len(_ERROR) if index else _ERROR, "dim"), *line]
    if next(found, None) is not None:
        yield [Piece(" " * len(_ERROR)), Piece("--step shows the rest", "dim")]


def _style(step: Step) -> str:
    return STYLES["failed"] if step.status == "failed" else ""


def _with_class(error: str | None, span: Span | None) -> str | None:
    """The text of a KeyError is a name and nothing else."""
    kind = span.attributes.get(flujo.ERROR_TYPE) if span is not None else None
    if error is None or not isinstance(kind, str) or kind in _NO_CLASSES:
        return error
    name = kind.rpartition(".")[2]
    return error if name in error else f"{name}: {error}"


def one_step(
    run: Run,
    step: Step,
    span: Span | None,
    to: Terminal,
    now_ns: int,
    *,
    changed: Sequence[Change],
    waits: Sequence[Wait] = (),
    full: bool,
) -> Iterator[Line]:
    """Everything about one step. Its values are whole, but for what would flood the screen.
    `changed`: what it changed in its pipeline's context; `waits` as of `step_lines`."""
    wait = _wait(step, span, waits)
    yield _heading(run, step, span, to, now_ns, wait=wait)
    yield from opened_exchange(span, Exchange(step.input, step.output), to, full=full)
    yield from opened_lines("   asks ", _question(step, span), to, full=full)
    yield from opened_lines("   reply", _reply(wait), to, full=full)
    error = _with_class(error_text(step.error), span)
    failure = _failure(step, span, error)
    told = in_full(failure, error) if failure is not None and error is not None else None
    if told is not None:
        yield from failure_text(told, to, _ERROR, full=full)
    else:
        yield from opened_lines("   error", error, to, full=full, style=_style(step))
    yield from change_lines(changed, to, full=full)
    if span is None:
        return
    yield from decided(span, to, full=full)
    attempts = span.attributes.get(flujo.STEP_ATTEMPTS)
    if attempts is not None:
        yield [Piece("attempts  ", "dim"), Piece(escape(str(attempts)))]
    is_told = told is not None
    yield from body(
        span, to, full=full, failure=told or failure, is_told=is_told, without=_SHOWN_ABOVE
    )


def _failure(step: Step, span: Span | None, error: str | None) -> Failure | None:
    """Its exception; where it has none, what its span says of why, unless the `error` does."""
    if span is None or step.status != "failed" or (error is not None and not exception_of(span)):
        return None
    return failure_of(span)


def _heading(
    run: Run, step: Step, span: Span | None, to: Terminal, now_ns: int, *, wait: Wait | None
) -> Line:
    theme = to.theme
    status = status_within(run, step.status, step.end_time_ns)
    number = round_of(span) if span is not None else None
    facts = [
        _took(run, step, now_ns, to),
        waited([wait], theme.micro) if wait is not None else None,
        amounts.cost(step.cost_usd, at_least=step.unpriced_count > 0),
        amounts.plural(step.tokens, "token") if step.tokens else None,
    ]
    return [
        Piece(f"{theme.mark(status)} ", STYLES.get(status, "")),
        Piece(f"{step.step_index} ", "dim"),
        Piece("" if number is None else f"#{number} "),
        Name(both_ends(step.step_name, to.width if to.cuts else None) or "(no name)", "bold"),
        Piece("  " + theme.dot.join(fact for fact in facts if fact), "dim"),
    ]


def _took(run: Run, step: Step, now_ns: int, to: Terminal) -> str:
    if step.duration_ns is not None:
        return duration(step.duration_ns, to.theme.micro)
    if has_no_end(step.status, step.end_time_ns):
        return to.theme.none
    return lasted(run, step.start_time_ns, step.end_time_ns, now_ns, to.theme)


def error_text(text: str | None) -> str | None:
    """An error is recorded as a JSON string or as plain text: the text."""
    value = parsed(text)
    return value if isinstance(value, str) else text
