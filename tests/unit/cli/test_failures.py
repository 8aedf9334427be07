"""What failed and where, on a terminal that is too narrow for it, and with several lines."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Event, Link, Span, Step
from flujo_otel.model.record import Role
from flujo_otel.query.failure import CodeLocation, Failure, failure_of
from flujo_otel.semconv import flujo
from flujo_otel_cli.failures import failure_lines, reason_lines
from flujo_otel_cli.span import body
from flujo_otel_cli.span import opened as opened_span
from flujo_otel_cli.step import one_step, step_lines
from unit.cli.lens import ROOT, answer, on_a_terminal
from unit.cli.scenes import MS, START_NS, a_run, a_span, a_step, exception, store
from unit.cli.screen import screen, shown

FILE = "/home/somebody/projects/customer-support/services/triage/src/pipeline/steps/answer.py"
STACK = f'Traceback (most recent call last):\n  File "{FILE}", line 41, in answer_the_customer\n'
PLACE = f"{FILE}:41 in answer_the_customer"
LONG = "The order 4711 could not be found in the shop's database, nor in the archive of last year."


def joined(text: str) -> str:
    """What was broken into lines, without blanks."""
    return "".join(text.split())


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_place_is_wrapped_and_a_command_is_whole_on_a_line_of_its_own(width: int) -> None:
    to = screen(width)
    failure = Failure(LONG, CodeLocation(FILE, 41, "answer_the_customer"), None)
    command = "lens show 7f3a --step 'answer the customer' --db /var/lib/somewhere/else/traces.db"
    *lines, last = shown(to, failure_lines(failure, to, command)).splitlines()
    assert (joined("".join(lines)), last) == (joined(f"{LONG} at {PLACE}"), command)
    assert max(map(len, lines)) <= width


def test_where_there_is_room_they_are_on_one_line() -> None:
    to = screen(100)
    failure = Failure("sour", CodeLocation("/srv/app.py", 41, "answer"), None)
    out = shown(to, failure_lines(failure, to, "lens show"))
    assert out == "sour\nat /srv/app.py:41 in answer   lens show\n"


def test_a_pipe_gets_each_on_one_line() -> None:
    to = screen(40, cuts=False)
    failure = Failure(LONG, CodeLocation(FILE, 41, "answer_the_customer"), None)
    out = shown(to, failure_lines(failure, to, "lens show"))
    assert out == f"{LONG}\nat {PLACE}   lens show\n"


def test_a_message_of_a_megabyte_ends_after_a_few_lines() -> None:
    to = screen(60)
    out = shown(to, failure_lines(Failure("word " * 200_000, None, None), to)).splitlines()
    assert len(out) == 3 and out[-1].endswith("…") and len(out[-1]) <= 60


def opened(span: Span, *, full: bool = False, **of_screen: Any) -> str:
    to = screen(60, **of_screen)
    return shown(to, body(span, to, full=full, failure=failure_of(span)))


def test_an_opened_exception_is_all_there() -> None:
    event = exception("ValueError", f"{LONG}\n{LONG}", STACK)
    span = a_span(1, "answer", 0, 1, status="failed", events=(event,))
    told = opened(span, full=True).partition("events\n")[0]
    assert joined(told) == joined(f"exception ValueError: {LONG} {LONG} at {PLACE} {STACK}")
    in_short = joined(STACK).replace(FILE, "…/answer.py")
    assert joined(opened(span)).startswith(joined(told)[: -len(joined(STACK))] + in_short)
    piped = opened(span, cuts=False)
    assert STACK.rstrip().replace("\n", "\n  ") in piped
    assert f"exception  ValueError: {LONG}\n  {LONG}\n  at {PLACE}\n" in piped


def test_what_failed_without_an_exception_is_said_to_have_none() -> None:
    out = opened(a_span(1, "GET", 0, 1, status="failed", message="gave up\nat last"))
    assert out == "error  gave up\n  at last\n"


def test_the_links_of_an_opened_span_name_what_they_lead_to() -> None:
    link = Link("a" * 32, "b" * 16, {"why": "a\\b\n", "hops": 2})
    span = a_span(1, "GET", 0, 1)._replace(links=(link, Link("c" * 32, "d" * 16, {})))
    piped = (
        f"links\n  span {'b' * 16} of trace {'a' * 32}  hops=2  why=a\\b\\n\n"
        f"  span {'d' * 16} of trace {'c' * 32}\n"
    )
    assert opened(span, cuts=False) == piped
    assert joined(opened(span)) == joined(piped)


def a_failed_step(error: str) -> Step:
    times = START_NS, START_NS + MS, 1
    return Step("r:0", "r", "answer", 0, "failed", *times, None, None, None, None, error)


def test_an_error_of_a_step_that_no_exception_says_more_of_is_said_once() -> None:
    to, span = screen(60), a_span(1, "answer", 0, 1, status="failed", message="sour")
    told = one_step(a_run(), a_failed_step("sour"), span, to, START_NS, changed=(), full=False)
    assert shown(to, told) == "✘ 0 answer  1 ms\n   error  sour\n"


SOUR = "ValueError: sour milk"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SOUR, SOUR),
        ("sour milk", SOUR),
        (f"Step 'answer' failed: {SOUR}", f"Step 'answer' failed: {SOUR}"),
    ],
)
@pytest.mark.parametrize("width", [40, 100])
def test_the_exception_of_a_step_is_said_once_with_its_stack(
    error: str, told: str, width: int
) -> None:
    attributes = {flujo.ERROR_MESSAGE: error, "error.message": "sour milk", "shelf": 4}
    event = exception("ValueError", "sour milk", f"{STACK}{SOUR}\n")
    event = event._replace(attributes={**event.attributes, "seen": "twice"})
    failed: dict[str, Any] = {"status": "failed", "message": error, "events": (event,)}
    span = a_span(1, "answer", 0, 1, attributes=attributes, **failed)
    to = screen(width)
    out = shown(
        to, one_step(a_run(), a_failed_step(error), span, to, START_NS, changed=(), full=False)
    )
    assert joined(out).startswith(joined(f"✘ 0 answer 1 ms error {told} at {PLACE} Traceback"))
    assert 1 == joined(out).count("sourmilk")
    assert out.endswith("events\n  +0 ns  exception  seen=twice\nattributes\n  shelf = 4\n")
    assert max(map(len, out.splitlines())) <= width


def test_an_error_of_a_step_that_is_not_its_exception_is_said_too() -> None:
    event = exception("ValueError", "sour milk", STACK)
    span = a_span(1, "answer", 0, 1, status="failed", events=(event,))
    to = screen(100)
    out = shown(
        to, one_step(a_run(), a_failed_step("limit"), span, to, START_NS, changed=(), full=False)
    )
    assert out.splitlines()[1:3] == ["   error  limit", f"exception  {SOUR}"]


def test_the_exception_of_a_span_is_said_once_and_those_before_it_are_events() -> None:
    before = exception("OSError", "late", "")
    event = exception("ValueError", "sour milk", f"{STACK}{SOUR}\n")
    attributes = {"error.message": "sour milk", "exception.message": "another"}
    span = a_span(1, "GET", 0, 1, status="failed", attributes=attributes, events=(before, event))
    out = opened(span, cuts=False)
    assert 1 == out.count("sour milk")
    assert out.partition("events\n")[2] == (
        "  +0 ns  exception  exception.type=OSError  exception.message=late\n"
        "  +0 ns  exception\n"
        "attributes\n  exception.message = another\n"
    )
    assert f"  {SOUR}\nevents" in opened(span, cuts=False, full=True)


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (SOUR, [f"exception  {SOUR}"]),
        (f"brewing: {SOUR}", [f"exception  brewing: {SOUR}"]),
        ("no tea today", ["error  no tea today", f"exception  {SOUR}"]),
    ],
)
def test_a_status_is_said_where_it_says_more_than_the_exception(
    status: str, lines: list[str]
) -> None:
    event = exception("ValueError", "sour milk", STACK)
    span = a_span(1, "GET", 0, 1, status="failed", message=status, events=(event,))
    to = screen(100)
    out = shown(to, opened_span(a_run(), span, to, START_NS, full=False))
    assert lines == out.splitlines()[1 : 1 + len(lines)]
    assert 1 == out.count(status) == out.count(SOUR)


def test_an_error_of_a_step_among_others_is_in_lines() -> None:
    for to in (screen(60), screen(60, cuts=False)):
        step = a_failed_step(f"{LONG}\n{LONG}")
        lines = step_lines(a_run(), step, None, to, START_NS + MS, full=False)
        out = shown(to, lines).partition("\n")[2]
        assert joined(out) == joined(f"error {LONG} {LONG}")
        assert all(
            line.startswith("   error  T") or line[:10].isspace() for line in out.splitlines()
        )


def test_of_an_error_of_many_lines_the_first_are_shown() -> None:
    to = screen(60, cuts=False)
    step = a_failed_step("\n".join(f"line {n}" for n in range(50)))
    out = shown(to, step_lines(a_run(), step, None, to, START_NS + MS, full=False))
    assert out.endswith("          line 5\n          --step shows the rest\n")


CONTEXT = '{"notes": "' + "x" * 100 + '"}'


def with_event() -> Span:
    event = Event("flujo.context.after", START_NS, {"flujo.context": CONTEXT})
    many = {"template": "Answer {question}\nin a sentence.", "short": "1"}
    return a_span(1, "answer", 0, 1, attributes=many, events=(event,))


def test_events_and_attributes_are_whole_with_full_on_a_terminal() -> None:
    to = screen(60)
    out = shown(to, body(with_event(), to, full=True, failure=None))
    assert joined(f"+0 ns flujo.context.after flujo.context = {CONTEXT}") in joined(out)
    assert max(map(len, out.splitlines())) <= 60
    assert "  short = 1\n  template =\n    Answer {question}\n    in a sentence.\n" in out
    cut = shown(screen(60), body(with_event(), screen(60), full=False, failure=None))
    assert "…" in cut and "\\n" in cut


def test_several_lines_are_lines_in_a_pipe() -> None:
    to = screen(60, cuts=False)
    out = shown(to, body(with_event(), to, full=False, failure=None))
    assert f"  +0 ns  flujo.context.after  flujo.context={CONTEXT}\n" in out
    assert "  template =\n    Answer {question}\n    in a sentence.\n" in out


def test_why_something_was_tried_again_is_told_in_short() -> None:
    retries = [Event("langchain.retry", n, {"exception.message": LONG}) for n in range(5)]
    span = a_span(1, "ask", 0, 1, events=tuple(retries))
    to = screen(60)
    lines = shown(to, reason_lines(span, to, 60)).splitlines()
    assert lines[0].startswith("retry after The order 4711") and lines[0].endswith("…")
    assert len(lines[0]) <= 60 and lines[3:] == ["and after 2 more"]
    piped = screen(60, cuts=False)
    assert f"retry after {LONG}\n" in shown(piped, reason_lines(span, piped, 60))


def test_an_opened_step_says_all_of_why_it_was_tried_again() -> None:
    attributes = {flujo.FALLBACK_ORIGINAL_ERROR: f"{LONG}\nAsk again."}
    retries = [Event("langchain.retry", n, {"exception.message": f"busy {n}"}) for n in range(5)]
    out = opened(a_span(1, "ask", 0, 1, attributes=attributes, events=tuple(retries)))
    assert [f"retry after  busy {n}" for n in range(5)] == out.splitlines()[:5]
    told = out.partition("fallback after\n")[2].partition("events")[0]
    assert joined(told) == joined(f"{LONG} Ask again.")


def a_map(failed_round: int) -> list[Span]:
    """Thirty rounds of the same two steps, of which one round's first fails."""
    sour = exception("ValueError", "sour milk", STACK)
    failed = {"status": "failed", "events": (sour,)}
    whole: dict[str, Any] = {"status": "failed", "message": "sour milk"}
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT, **whole),
        a_step(2, "each", 0, 900, 1, attributes={flujo.STEP_TYPE: "MapStep"}, **whole),
    ]
    for number in range(1, 31):
        of_round = {"attributes": {flujo.ITERATION_NUMBER: number}}
        more = failed if number == failed_round else {}
        spans += [
            a_step(number * 10, "fetch", number * 20, number * 20 + 9, 2, **of_round, **more),
            a_step(number * 10 + 1, "parse", number * 20 + 10, number * 20 + 19, 2, **of_round),
        ]
    return spans


@pytest.mark.parametrize(
    "command",
    [["trace"], ["trace", "--errors"], ["trace", "--all"], ["show"]],
    ids=" ".join,
)
def test_of_many_steps_of_a_name_the_hint_opens_the_one_that_failed(
    here: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    store(here / "flujo_otel.db", a_map(failed_round=20), **ROOT)
    out = answer(capsys, *command)[1]
    hint = next(line for line in out.splitlines() if "--step " in line).partition("lens ")[2]
    opened_by_it = answer(capsys, *shlex.split(hint))[1]
    assert opened_by_it.startswith("✘ 39 #20 fetch  9 ms\n")
    assert opened_by_it.count(" fetch  ") == 1


def test_of_many_spans_of_a_name_the_one_that_failed_beneath_a_step_is_opened(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = exception("ConnectionError", "429", STACK)
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT),
        a_step(2, "ask", 0, 800, 1),
        a_span(3, "chat gpt-4o", 0, 100, 2),
        a_span(4, "chat gpt-4o", 100, 200, 2, status="failed", events=(busy,)),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)
    assert f"lens show 7f3a91c2 --step {4:016x}\n" in answer(capsys, "show")[1]


def test_the_error_of_a_step_within_others_is_wrapped_where_it_is_indented(here: Path) -> None:
    failed = {"status": "failed", "attributes": {flujo.ERROR_MESSAGE: LONG}}
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT),
        a_step(2, "outer", 0, 90, 1),
        a_step(3, "middle", 0, 90, 2),
        a_step(4, "inner", 0, 90, 3, **failed),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)
    out = on_a_terminal("show", COLUMNS="80", NO_COLOR="1")
    assert joined(out.partition(" error  ")[2].partition("final")[0]) == joined(LONG)
