"""`lens show` on a real store."""

import json
import shlex
from pathlib import Path

import pytest

from flujo_otel.model import Event
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo, graph, model_call, xray
from flujo_otel_cli.content import opened_lines
from unit.cli.lens import ROOT, answer, document, on_a_terminal
from unit.cli.scenes import STACK, START_NS, TRACE_ID, a_span, a_step, exception, store
from unit.cli.screen import screen, shown


def test_show(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show")
    assert code == 0
    assert out.startswith("╭─ support-triage 1.2  ✘ failed ─")
    assert 'final context  {"n": 3}' in out


def test_a_final_context_begins_with_what_the_program_put_there(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = '{"run_id": "r", "initial_prompt": "x", "answer": "42"}'
    root = a_span(1, flujo.PIPELINE_RUN, 0, 9, role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [root], **{flujo.FINAL_CONTEXT: context})
    assert 'final context  {"answer": "42", "run_id": "r"' in answer(capsys, "show")[1]
    whole = answer(capsys, "show", "--full")[1].partition("final context\n")[2]
    assert whole.startswith('  {\n    "run_id": "r",\n')


def test_show_one_step_with_its_exception(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show", "last", "--step", "answer")
    assert code == 0
    assert "exception  ValueError: sour milk\n  at /srv/app.py:41 in answer" in out
    assert answer(capsys, "show", "last", "--step", "10")[1] == out


def test_more_digits_than_python_reads_are_no_step(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = document(capsys, "show", "last", "--step", "1" * 5000)
    assert (code, found["error"]["code"]) == (1, "no_such_step")


def test_an_unknown_step_names_the_steps_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = document(capsys, "show", "last", "--step", "nope")
    assert (code, found["error"]["code"]) == (1, "no_such_step")
    assert "classify" in found["error"]["steps"]


def test_show_of_a_run_without_steps_has_its_error_and_its_top_level_spans(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show")
    assert out.partition("╯\n")[2].splitlines() == [
        "sender  service.name=app",
        "✘ render",
        "  ValueError: sour",
        "  at /srv/app.py:41 in answer   lens show 7f3a91c2 --step render",
        "✘ GET /orders  900 ms",
        "✔ SELECT  300 ms  db.system=sqlite  rows=3",
        "✘ render  600 ms",
        "As a tree, with all attributes:  lens trace 7f3a91c2 --attributes",
    ]


def test_show_opens_a_span_of_a_run_without_steps(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show", "last", "--step", "render")
    assert out.startswith("✘ render  600 ms\nexception  ValueError: sour\n  at /srv/app.py:41")
    assert "\nevents\n" in out and "\nattributes" not in out  # it has none
    assert "\nattributes\n" in answer(capsys, "show", "last", "--step", "SELECT")[1]
    code, found = document(capsys, "show", "last", "--step", "SELECT")
    assert (code, [span["name"] for span in found["spans"]]) == (0, ["SELECT"])
    code, found = document(capsys, "show", "last", "--step", "nope")
    assert (code, found["error"]["spans"][:2]) == (1, ["GET /orders", "SELECT"])


@pytest.mark.parametrize("cuts", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("full", [False, True], ids=["", "full"])
def test_a_value_of_several_lines_stands_beneath_its_label_and_deeper(
    cuts: bool, full: bool
) -> None:
    to, text = screen(40, cuts=cuts), json.dumps("one\ntwo")
    assert shown(to, opened_lines("   in   ", text, to, full=full)) == "   in\n     one\n     two\n"


def test_show_says_who_sent_the_run(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "╯\nsender  service.name=app\n" in answer(capsys, "show")[1]
    assert '\nsender\n  {\n    "service.name": "app"\n  }\n' in answer(capsys, "show", "--full")[1]
    assert document(capsys, "show")[1]["resource"] == {"service.name": "app"}
    assert "│ root     GET /orders" in answer(capsys, "show")[1]


def test_show_says_which_run_a_graph_s_run_replays(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph_run = a_span(1, "writing", 0, 9, role=Role.RUN_ROOT)
    node = a_step(2, "Write", 0, 9, 1)
    original = {graph.ORIGINAL_EXECUTION_ID: f"{'a' * 32}-{'b' * 16}"}
    store(here / "flujo_otel.db", [graph_run, node], **original)
    assert f"replay of {'a' * 32}\n" in answer(capsys, "show")[1]


@pytest.fixture
def assistant(here: Path) -> Path:
    """A run whose step asks a model twice: the first call fails."""
    question = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Sunny?"}]}])
    reply = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "It is."}]}])
    asked = {model_call.INPUT_MESSAGES: question, "gen_ai.request.model": "gpt-4o"}
    busy = exception("ConnectionError", "429", STACK)
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT),
        a_step(2, "ask", 0, 800, 1, attributes={"input.value": "?" * 300}),
        a_span(3, "chat gpt-4o", 0, 100, 2, status="failed", events=(busy,), attributes=asked),
        a_span(
            0xABCDEF0123456789,
            "chat gpt-4o mini",
            100,
            800,
            2,
            attributes={**asked, model_call.OUTPUT_MESSAGES: reply},
        ),
    ]
    store(here / "flujo_otel.db", spans, **{**ROOT, "input.value": "weather", "output.value": "y"})
    return here


@pytest.mark.parametrize("name", ["chat gpt-4o mini", "abcdef01", "ABCDEF0123456789"])
def test_any_span_is_opened_by_its_name_or_its_id(
    assistant: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, out, _ = answer(capsys, "show", "last", "--step", name)
    assert (code, out) == (
        0,
        "✔ chat gpt-4o mini  700 ms\n"
        "   in\n     user  Sunny?\n"
        "   out\n     assistant  It is.\n"
        "attributes\n  gen_ai.request.model = gpt-4o\n",
    )


def test_a_name_that_is_neither_a_step_s_nor_a_span_s_names_both(
    assistant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, "show", "last", "--step", "nope")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "No step or span 'nope' in this run.",
        "Its steps: ask",
        "Its spans: pipeline_run, chat gpt-4o, chat gpt-4o mini",
    ]


def test_of_many_names_thirty_are_said_and_how_many_more_there_are(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = a_span(1, flujo.PIPELINE_RUN, 0, 99, role=Role.RUN_ROOT)
    steps = [a_step(2 + n, f"item {n}", n, n + 1, 1) for n in range(31)]
    store(here / "flujo_otel.db", [root, *steps], **ROOT)
    _, _, err = answer(capsys, "show", "last", "--step", "item 99")
    assert err.splitlines()[1].endswith(", item 28, item 29 and 1 more")
    _, found = document(capsys, "show", "last", "--step", "item 99")
    assert 31 == len(found["error"]["steps"])


def test_what_failed_beneath_a_step_says_how_to_open_it(
    assistant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "show")[1]
    hint = "lens show 7f3a91c2 --step 'chat gpt-4o'"
    assert f"   ✘ chat gpt-4o: ConnectionError: 429   {hint}\n" in out
    assert "✘ chat gpt-4o  100 ms" in answer(capsys, *shlex.split(hint)[1:])[1]


def test_the_run_s_own_input_and_output_stand_before_its_steps(
    assistant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\n   in     weather\n   out    y\n✔ 0 ask" in answer(capsys, "show")[1]


def test_a_long_value_is_cut_in_a_pipe_too_but_for_full_and_an_opened_step(
    assistant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"   in     {'?' * 200}...\n" in answer(capsys, "show")[1]
    assert "?" * 300 in answer(capsys, "show", "--full")[1]
    assert "?" * 300 in answer(capsys, "show", "--step", "ask")[1]


def test_the_input_is_not_repeated_among_the_attributes(
    assistant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ((), ("--full",)):
        out = answer(capsys, "show", "--step", "ask", *options)[1]
        assert out.count("?" * 300) == 1


def test_what_the_header_says_is_not_repeated_on_the_line_of_a_lone_root(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        flujo.RUN_ID: TRACE_ID,
        flujo.PIPELINE_NAME: "GET",
        "http.method": "GET",
        xray.METADATA: '{"customer": "acme"}',
        xray.TRACE_ID: TRACE_ID,
    }
    store(here / "flujo_otel.db", [a_span(1, "GET", 0, 9, role=Role.RUN_ROOT, attributes=told)])
    out = answer(capsys, "show")[1]
    assert f"│ run      {TRACE_ID} " in out and "\n✔ GET  9 ms  http.method=GET\n" in out
    assert out.count("acme") == 1


def test_the_attributes_of_a_root_with_spans_beneath_it_stand_over_those(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"http.route": "/orders", "input.value": "q"}
    spans = [
        a_span(1, "app", 0, 9, role=Role.RUN_ROOT, attributes=told),
        a_span(2, "SELECT", 1, 2, 1, attributes={"rows": 3}),
    ]
    store(here / "flujo_otel.db", spans)
    out = answer(capsys, "show")[1]
    assert "\n   in     q\nattributes  http.route=/orders\n✔ SELECT  1 ms  rows=3\n" in out


def test_a_model_s_call_without_steps_has_its_question_and_its_answer(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"gen_ai.tool.call.arguments": '{"n": 1}', "gen_ai.tool.call.result": "yes"}
    spans = [
        a_span(1, "agent run", 0, 900, role=Role.RUN_ROOT, attributes={"final_result": "It is."}),
        a_span(2, "running tool", 0, 300, 1, attributes=told),
    ]
    store(here / "flujo_otel.db", spans)
    out = answer(capsys, "show")[1]
    assert out.count("   out    It is.\n") == 1
    assert '✔ running tool  300 ms\n   in     {"n": 1}\n   out    yes\n' in out


def test_many_steps_alike_are_one_line_that_all_unfolds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        a_step(2 + n, f"item {n}", n, n + 1, 1, attributes={flujo.STEP_INDEX: n})
        for n in range(1000)
    ]
    busy = a_step(
        5000, "item 1000", 1000, 1001, 1, status="failed", attributes={"flujo.error": "x"}
    )
    store(
        here / "flujo_otel.db", [a_span(1, "r", 0, 2000, role=Role.RUN_ROOT), *steps, busy], **ROOT
    )
    out = answer(capsys, "show")[1]
    fold = "✔ 0 item * ×1,000  added up 1.00 s · worst 1 ms (item 0) · --all unfolds\n✘ "
    assert fold in out and out.count("item") == 3
    assert answer(capsys, "show", "--all")[1].count(" item ") == 1001
    assert answer(capsys, "show", "--full")[1].count(" item ") == 1001
    assert len(document(capsys, "show")[1]["steps"]) == 1001


def test_how_many_steps_that_are_alike_are_unfolded_stands_beneath_where_it_would_be_cut(
    here: Path,
) -> None:
    steps = [
        a_step(2 + n, f"item {n}", n, n + 1, 1, attributes={flujo.STEP_INDEX: n}) for n in range(50)
    ]
    plain = [a_span(100 + n, f"flush {n}", 60 + n, 61 + n, 1) for n in range(50)]
    root = a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [root, *steps, *plain], **ROOT)
    lines = on_a_terminal("show", COLUMNS="45", NO_COLOR="1").splitlines()
    folds = [at for at, line in enumerate(lines) if "×50" in line]
    assert ["   --all unfolds"] * 2 == [lines[at + 1] for at in folds]


@pytest.fixture
def mixed(here: Path) -> None:
    """A run whose steps have plain spans before, between and after them."""
    get = {"url.full": "http://a/b", "http.response.status_code": 200}
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 900, role=Role.RUN_ROOT),
        a_step(2, "classify", 10, 100, 1),
        a_span(3, "GET", 110, 200, 1, attributes=get),
        a_step(4, "answer", 210, 800, 1),
        a_span(5, "chat", 220, 700, 4),
        a_span(6, "clean up", 810, 890, 1, status="failed", message="no disk"),
        a_span(7, "unlink", 811, 812, 6),
        *(a_span(8 + n, f"flush {n}", 820 + n, 821 + n, 1) for n in range(30)),
        a_span(40, "connect", 1, 2, 1),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)


@pytest.mark.usefixtures("mixed")
def test_top_level_spans_that_are_no_steps_stand_among_the_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = answer(capsys, "show")[1].splitlines()
    said = [line for line in lines if line[0] in "✔✘" or line.startswith("   error")]
    assert said == [
        "✔ connect  1 ms",
        "✔ 0 classify  90 ms",
        "✔ GET  90 ms  http://a/b  HTTP 200",
        "✔ 1 answer  590 ms",
        "✘ clean up  80 ms",
        "   error  no disk",
        "✔ flush * ×30  30 ms  worst 1 ms (flush 0)  --all unfolds",
    ]
    assert answer(capsys, "show", "--all")[1].count("✔ flush ") == 30


@pytest.mark.usefixtures("mixed")
def test_top_level_spans_that_are_no_steps_stand_beside_them_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = document(capsys, "show")[1]
    assert [step["step_name"] for step in found["steps"]] == ["classify", "answer"]
    names = [span["name"] for span in found["spans"]]
    assert names[:3] == ["connect", "GET", "clean up"]
    assert len(names) == 33


def test_equal_spans_of_a_run_without_steps_are_one_line_unless_all_are_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = a_span(1, "wide", 0, 900, role=Role.RUN_ROOT)
    items = [a_span(n + 2, f"item {n}", n, n + 1, 1) for n in range(300)]
    store(here / "flujo_otel.db", [root, *items])
    out = answer(capsys, "show")[1]
    assert "✔ item * ×300  300 ms  worst 1 ms (item 0)  --all unfolds\n" in out
    for option in ("--all", "--full"):
        assert answer(capsys, "show", option)[1].count("✔ item ") == 300


def test_an_id_that_several_spans_begin_with_names_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = [
        a_span(1, "app", 0, 9, role=Role.RUN_ROOT),
        a_span(0xABCD_0000_0000_0001, "one", 0, 1, 1),
        a_span(0xABCD_0000_0000_0002, "other", 1, 2, 1),
    ]
    store(here / "flujo_otel.db", spans)
    code, out, err = answer(capsys, "show", "--step", "ABCD")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "ABCD names 2 spans:",
        "abcd000000000001  one",
        "abcd000000000002  other",
    ]
    found = document(capsys, "show", "--step", "abcd")[1]["error"]
    assert (found["code"], len(found["candidates"])) == ("ambiguous_span", 2)
    assert answer(capsys, "show", "--step", "abcd000000000002")[1].startswith("✔ other  1 ms\n")


def test_a_change_that_was_thrown_away_with_its_copy_says_so(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def context(name: str, at_ms: int, seen: list[str], **more: bool) -> Event:
        value = {flujo.CONTEXT: json.dumps({"seen": seen}), **more}
        return Event(name, START_NS + at_ms * 1_000_000, value)

    copy = {flujo.CONTEXT_IS_COPY: True}
    before, after = flujo.EVENT_CONTEXT_BEFORE, flujo.EVENT_CONTEXT_AFTER
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 9, role=Role.RUN_ROOT, events=(context(before, 0, []),)),
        a_step(2, "improve", 1, 8, 1),
        a_step(
            3,
            "draft",
            2,
            4,
            2,
            events=(context(before, 2, [], **copy), context(after, 4, ["a"], **copy)),
        ),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)
    assert '     ctx (copy, not kept)  seen + "a"\n' in answer(capsys, "show")[1]
    assert '   ctx (copy, not kept)  seen + "a"\n' in answer(capsys, "show", "--step", "draft")[1]
    [change] = document(capsys, "show")[1]["steps"][1]["context_changes"]
    assert change == {
        "path": "seen",
        "before": [],
        "after": ["a"],
        "is_copy": True,
        "is_lost": True,
    }


def test_a_failed_run_says_first_why_and_where(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = answer(capsys, "show")[1].partition("╯\n")[2].splitlines()
    assert lines[:2] == [
        "ValueError: sour milk",
        "at /srv/app.py:41 in answer   lens show 7f3a91c2 --step answer",
    ]


def test_a_failure_that_was_made_up_for_is_not_why_a_run_failed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy, sour = exception("ConnectionError", "429"), exception("ValueError", "sour", STACK)
    again = {flujo.RESUMED: True, flujo.ERROR_MESSAGE: "sour"}
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, 10, status="paused", role=Role.RUN_ROOT),
        a_step(2, "ask", 0, 5, 1),
        a_span(3, "chat", 0, 2, 2, status="failed", events=(busy,)),
        a_span(
            4,
            flujo.PIPELINE_RUN,
            20,
            30,
            1,
            status="failed",
            attributes=again,
            role=Role.RUN_ROOT,
        ),
        a_step(5, "guess", 20, 22, 4, status="failed", events=(busy,)),
        a_step(6, "answer", 22, 29, 4, status="failed", events=(sour,)),
    ]
    store(here / "flujo_otel.db", spans, **{flujo.PIPELINE_NAME: "support-triage"})
    lines = answer(capsys, "show")[1].partition("╯\n")[2].splitlines()
    assert lines[0] == "ValueError: sour"
    assert lines[1].startswith("at /srv/app.py:41 in answer   lens show ")
    assert lines[2].startswith("sender")


async def test_a_step_handed_in_when_it_was_over_took_what_it_says(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import UTC, datetime, timedelta

    from flujo_otel.storage.sqlite import SQLiteBackend

    backend, at = SQLiteBackend(here / "flujo_otel.db"), datetime(2026, 1, 1, tzinfo=UTC)
    run = {"run_id": "r", "pipeline_name": "p", "pipeline_version": "1", "status": "running"}
    await backend.save_run_start({**run, "start_time": at})
    ended = at + timedelta(microseconds=1)
    for index, (name, end, ms) in enumerate(
        [("late", ended, 5), ("true", at + timedelta(milliseconds=7.5), 7), ("open", None, 4.5)]
    ):
        step = {"step_run_id": name, "run_id": "r", "step_name": name, "step_index": index}
        times = {"start_time": at, "end_time": end, "duration_ms": ms}
        await backend.save_step_result({**step, **times})
    out = answer(capsys, "show", "r")[1]
    assert "0 late  5 ms\n" in out
    assert "1 true  7.5 ms\n" in out
    assert "2 open  4.5 ms\n" in out
    steps = document(capsys, "show", "r")[1]["steps"]
    assert [5_000_000, 7_500_000, 4_500_000] == [step["duration_ns"] for step in steps]
