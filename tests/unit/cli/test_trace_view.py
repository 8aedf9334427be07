"""What `lens trace` draws, on model objects."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flujo_otel.model import Event, Process, Run, RunStatus, Span
from flujo_otel.model.record import Role
from flujo_otel.query.tree import build_tree
from flujo_otel.semconv import flujo, graph
from flujo_otel_cli.drawing import draw
from flujo_otel_cli.picture import Drawing
from flujo_otel_cli.terminal import Terminal
from unit.cli.scenes import (
    MS,
    START_NS,
    a_run,
    a_span,
    a_step,
    exception,
    support_triage,
)
from unit.cli.screen import screen, shown

NOW_NS = START_NS + 10_000 * MS
ROOT = a_span(1, flujo.PIPELINE_RUN, 0, 1000, role=Role.RUN_ROOT)


def drawn(run: Run, spans: list[Span], to: Terminal | None = None, **options: bool | int) -> str:
    names = Counter(span.name for span in spans)
    drawing = Drawing(run.run_id[:8], "last", names=names, **options)  # type: ignore[arg-type]
    to = to or screen()
    return shown(to, draw(run, build_tree(spans), drawing, to, NOW_NS))


def test_a_run_at_100_columns() -> None:
    assert (
        drawn(*support_triage())
        == """\
✘ support-triage 1.2  failed after 4.21 s · $0.013 · 3,410 tokens · 13 spans, 2 failed
  run 7f3a91c2
                                                     0 s        1          2          3       4.21 s
├─ ✔ classify                                310 ms  ███▌
├─ ✔ climb  loop, 3 rounds, exit: met        1.90 s     █████████████████████▋
│  ├─ ✔ #1 up                                620 ms     ███████▍
│  ├─ ✔ #2 up                                610 ms            ███████▎
│  └─ ✔ #3 up  retried once                  670 ms                   ███████▋
├─ ✔ route  → refund                         130 ms                          ▐█▍
│  └─ ✔ refund                               120 ms                          ▐█▎
├─ ✔ gather  parallel                        1.20 s                            █████████████▊
│  ├─ ✔ orders  cached                         2 ms                            ▍
│  └─ ✔ history                              1.20 s                            █████████████▊
│     └─ ✔ chat gpt-4o-mini  910→120 tok     1.10 s                            ▐████████████▏
└─ ✘ answer  retried once                    640 ms                                         ▐███████
   ValueError: sour milk
   at /srv/app.py:41 in answer   lens show last --step answer
"""
    )


def test_the_same_run_without_unicode() -> None:
    assert (
        drawn(*support_triage(), screen(100, unicode=False))
        == """\
!! support-triage 1.2  failed after 4.21 s - $0.013 - 3,410 tokens - 13 spans, 2 failed
   run 7f3a91c2
                                                          0 s                 2               4.21 s
|-- ok classify                                   310 ms  ###
|-- ok climb  loop, 3 rounds, exit: met           1.90 s     ###################
|   |-- ok #1 up                                  620 ms     ######
|   |-- ok #2 up                                  610 ms           ######
|   `-- ok #3 up  retried once                    670 ms                 #######
|-- ok route  -> refund                           130 ms                        ##
|   `-- ok refund                                 120 ms                        #
|-- ok gather  parallel                           1.20 s                         #############
|   |-- ok orders  cached                           2 ms                         #
|   `-- ok history                                1.20 s                         #############
|       `-- ok chat gpt-4o-mini  910->120 tok     1.10 s                         ############
`-- !! answer  retried once                       640 ms                                     #######
    ValueError: sour milk
    at /srv/app.py:41 in answer   lens show last --step answer
"""
    )


def test_below_80_columns_there_are_no_bars() -> None:
    text = drawn(*support_triage(), screen(79))
    assert "█" not in text
    assert "├─ ✔ classify                                310 ms\n" in text


def test_below_60_columns_durations_follow_the_name() -> None:
    assert "├─ ✔ classify  310 ms\n" in drawn(*support_triage(), screen(59))


@pytest.mark.parametrize("width", [20, 40, 59, 60, 79, 80, 100, 250])
def test_no_line_but_a_command_is_wider_than_the_terminal(width: int) -> None:
    text = drawn(*support_triage(), screen(width), attributes=True, events=True)
    lines = [line for line in text.splitlines() if "lens show" not in line or width >= 40]
    assert max(map(cell_len, lines)) <= width
    assert "lens show last --step answer\n" in text


def test_a_pipe_gets_names_whole() -> None:
    name = "n" * 500
    text = drawn(a_run([ROOT]), [ROOT, a_step(2, name, 0, 1, 1)], screen(80, cuts=False))
    assert name in text


def test_a_branch_of_several_steps_has_them_beneath_and_says_its_name_once() -> None:
    def step(number: int, name: str, start_ms: int, branch: str) -> Span:
        attributes = {flujo.PARALLEL_BRANCH: branch}
        return a_step(number, name, start_ms, start_ms + 2, 2, attributes=attributes)

    gather = a_step(2, "gather", 0, 9, 1, attributes={flujo.STEP_TYPE: "ParallelStep"})
    steps = [
        step(3, "ask", 0, "\x1b[1mlong"),
        step(4, "look", 0, "short"),
        step(5, "sum", 4, "\x1b[1mlong"),
    ]
    text = drawn(a_run([ROOT]), [ROOT, gather, *steps], screen(50))
    assert text.splitlines()[2:] == [
        "└─ ✔ gather  parallel  9 ms",
        "   ├─ ✔ branch \\x1b[1mlong  6 ms",
        "   │  ├─ ✔ ask  2 ms",
        "   │  └─ ✔ sum  2 ms",
        "   └─ ✔ look  branch short  2 ms",
    ]


def test_a_round_of_several_steps_has_them_beneath() -> None:
    loop = a_step(2, "loop", 0, 9, 1, attributes={flujo.STEP_TYPE: "LoopStep"})
    body = [
        a_step(3, "think", 0, 4, 2, attributes={flujo.ITERATION_NUMBER: 1}),
        a_step(4, "act", 4, 9, 2, attributes={flujo.ITERATION_NUMBER: 1}),
    ]
    text = drawn(a_run([ROOT]), [ROOT, loop, *body], screen(50))
    assert text.splitlines()[2:] == [
        "└─ ✔ loop  loop  9 ms",
        "   └─ ✔ #1  9 ms",
        "      ├─ ✔ think  4 ms",
        "      └─ ✔ act  5 ms",
    ]


def test_10_000_equal_children_are_one_line_and_all_unfolds_them() -> None:
    spans = [ROOT, *(a_step(n, "item", n, n + 1, 1) for n in range(2, 10_002))]
    folded = drawn(a_run(spans), list(spans))
    assert len(folded.splitlines()) == 3
    assert "item ×10,000  worst 1 ms  --all unfolds" in folded
    assert len(drawn(a_run(spans), spans, unfold=True).splitlines()) == 10_002


@pytest.mark.parametrize("width", [20, 40, 59, 60, 79, 80, 100, 120, 250])
def test_how_a_fold_is_unfolded_is_cut_at_no_width_and_said_beneath_but_once(width: int) -> None:
    failed = {"status": "failed"}
    name = "GET /products/{}/reviews"
    spans = [ROOT, *(a_step(n, name.format(n), n, n + n % 7, 1) for n in range(2, 52))]
    spans += [a_step(n, name.format(n), n, n + n % 7, 1, **failed) for n in range(52, 92)]
    lines = drawn(a_run(spans), spans, screen(width)).splitlines()
    said = [line for line in lines if "--a" in line]
    on_its_own = [line for line in said if line.strip("│ ") == "--all unfolds"]
    assert all("--all unfolds" in line for line in said)
    assert (len(said), len(on_its_own)) == ((2, 0) if width == 250 else (1, 1))
    assert max(map(cell_len, lines)) <= width


def test_a_bar_that_a_name_would_push_aside_in_a_pipe_stands_beneath_it_in_line() -> None:
    spans = [
        ROOT,
        a_step(2, "short", 0, 300, 1),
        a_step(3, "n" * 60, 300, 700, 1),
        a_step(4, "inner", 400, 500, 3),
    ]
    assert drawn(a_run(spans), spans, screen(80, cuts=False)).splitlines()[2:] == [
        "├─ ✔ short                                              300 ms  ████▊",
        f"└─ ✔ {'n' * 60}     400 ms",
        "   │                                                                ▐██████▎",
        "   └─ ✔ inner                                           100 ms        ██",
    ]


def test_a_span_still_open_has_a_bar_to_the_right_edge() -> None:
    run = a_run([ROOT], status=RunStatus.RUNNING, end_time_ns=None)
    root = ROOT._replace(end_time_ns=None, status="running")
    text = drawn(run, [root, a_step(2, "slow", 5000, None, 1)], screen(80))
    header, _, line = text.splitlines()
    assert header.startswith("● support-triage 1.2  running for 10.0 s …")
    assert line.startswith("└─ ● slow") and "5.00 s …" in line and line.endswith("█…")
    assert cell_len(line) == 80


def test_what_was_open_in_a_process_that_is_gone_died_with_it() -> None:
    writer = Process("ada", 4121, "x", "app.py")
    run = a_run(
        [ROOT],
        status=RunStatus.DIED,
        end_time_ns=None,
        last_time_ns=START_NS + 9100 * MS,
        writer=writer,
    )
    text = drawn(run, [ROOT, a_step(2, "slow", 5000, None, 1)], screen(120))
    assert text.startswith("✝ support-triage 1.2  died after 9.10 s+")
    assert "app.py (pid 4121 on ada) is gone" in text
    assert "✝ slow" in text and "4.10 s+" in text


def test_an_error_that_came_up_through_the_parents_is_said_once() -> None:
    sour = exception("ValueError", "sour milk")
    spans = [
        ROOT._replace(status="failed", events=(sour,)),
        a_step(2, "outer", 0, 9, 1, status="failed", events=(sour,)),
        a_step(3, "inner", 0, 9, 2, status="failed", events=(sour,)),
    ]
    text = drawn(a_run(spans, status=RunStatus.FAILED), spans)
    assert text.count("sour milk") == 1
    assert text.index("inner") < text.index("sour milk")


def test_a_runs_own_error_stands_beneath_its_header() -> None:
    root = ROOT._replace(status="failed", status_message="budget exceeded")
    text = drawn(a_run([root]), [root, a_step(2, "fine", 0, 9, 1)])
    assert text.splitlines()[1] == "budget exceeded"


def test_the_root_of_another_program_is_shown_as_a_span() -> None:
    root = a_span(1, "GET /orders", 0, 9, role=Role.RUN_ROOT)
    assert "└─ ✔ GET /orders" in drawn(a_run([root], pipeline_name="shop"), [root])


def test_equal_children_that_ran_at_once_say_what_they_took_added_up() -> None:
    spans = [ROOT, *(a_step(n, "item", 0, 100, 1) for n in range(2, 32))]
    assert "item ×30  added up 3.00 s  worst 100 ms  " in drawn(a_run(spans), spans, screen(120))


def test_the_run_s_id_is_never_cut_from_the_header() -> None:
    run, spans = support_triage()
    for width in (60, 50, 40, 20):
        lines = drawn(run, spans, screen(width)).split("├─")[0].splitlines()
        assert " ".join(lines[-1].split()[-2:]) == "run 7f3a91c2" and max(map(len, lines)) <= width


def test_a_heading_is_wrapped_and_not_cut() -> None:
    assert drawn(*support_triage(), screen(40)).split("├─")[0].splitlines() == [
        "✘ support-triage 1.2 failed after 4.21 s",
        "  $0.013 · 3,410 tokens",
        "  13 spans, 2 failed · run 7f3a91c2",
    ]


def test_a_duration_stays_whole_where_the_name_is_cut() -> None:
    spans = [ROOT, a_step(2, "n" * 60, 0, 64, 1)]
    assert drawn(a_run([ROOT]), spans, screen(30)).splitlines()[-1] == (
        "└─ ✔ nnnnnnnnnnnn…nnnnn  64 ms"
    )


def test_one_of_several_spans_of_a_name_is_opened_by_its_id() -> None:
    failed = {"status": "failed", "attributes": {flujo.ERROR_MESSAGE: "gone"}}
    spans = [
        ROOT,
        a_step(2, "fetch", 0, 9, 1),
        a_step(3, "fetch", 10, 19, 1, **failed),
        a_step(4, "store", 20, 29, 1, **{**failed, "attributes": {flujo.ERROR_MESSAGE: "full"}}),
    ]
    text = drawn(a_run(spans), spans, screen(120))
    assert f"--step {3:016x}" in text
    assert "--step store" in text


def test_a_pipeline_inside_a_step_says_its_name() -> None:
    nested = {flujo.NESTED_PIPELINE_NAME: "triage"}
    spans = [
        ROOT,
        a_step(2, "sub", 0, 9, 1),
        a_span(3, flujo.PIPELINE_RUN, 0, 8, 2, attributes=nested),
    ]
    assert "   └─ ✔ pipeline_run  triage  " in drawn(a_run(spans), spans, screen(70))


def test_a_step_that_waits_says_what_it_asks() -> None:
    waits = {flujo.STEP_TYPE: "HumanInTheLoopStep"}
    asked = (Event(flujo.EVENT_PAUSED, START_NS, {flujo.MESSAGE: "OK to send?\nReally?"}),)
    spans = [
        ROOT._replace(status="paused"),
        a_step(2, "ask", 0, 9, 1, status="paused", attributes=waits, events=asked),
    ]
    text = drawn(a_run(spans, status=RunStatus.PAUSED), spans, screen(60))
    assert "ask  asks: OK to send? Really?  " in text


def test_a_resumed_run_says_what_waited_and_what_came_after() -> None:
    waits = {flujo.STEP_TYPE: "HumanInTheLoopStep"}
    first = a_span(1, flujo.PIPELINE_RUN, 0, 10, status="paused", role=Role.RUN_ROOT)
    again = {flujo.RESUMED: True, "input.value": '"go\\non"'}
    spans = [
        first,
        a_step(2, "ask", 0, 9, 1, status="paused", attributes=waits),
        a_span(3, flujo.PIPELINE_RUN, 500, 900, 1, status="paused", attributes=again),
        a_step(4, "again", 500, 900, 3, status="paused", attributes=waits),
    ]
    text = drawn(a_run(spans, status=RunStatus.PAUSED), spans, screen(59))
    assert text.splitlines()[2:] == [
        "├─ ⏸ ask  waited 490 ms for a human  9 ms",
        '└─ ⏸ resumed  reply: "go\\non"  paused  400 ms',
        "   └─ ⏸ again  waits for a human  400 ms",
    ]


def test_what_died_before_its_run_went_on_took_at_least_so_long() -> None:
    spans = [
        a_span(1, flujo.PIPELINE_RUN, 0, None, role=Role.RUN_ROOT),
        a_step(2, "publish", 5, None, 1),
        a_span(3, flujo.PIPELINE_RUN, 500, 600, role=Role.RUN_ROOT),
        a_step(4, "publish", 510, 590, 3),
    ]
    text = drawn(a_run(spans), spans, screen(70))
    assert "✝ publish         0 ns+\n" in text and "✔ publish      80 ms\n" in text


def test_of_a_wide_terminal_long_names_leave_half_to_the_bars() -> None:
    query = {"db.system": "postgresql", "db.statement": "SELECT " + "column, " * 40}
    spans = [ROOT, a_span(2, "SELECT", 0, 1000, 1, attributes=query)]
    text = drawn(a_run(spans), spans, screen(120))
    assert text.splitlines()[-1].endswith("…     1.00 s  " + "█" * 36)


def test_a_run_of_one_span_has_no_axis_without_a_bar() -> None:
    root = a_span(1, "work", 0, 9, role=Role.RUN_ROOT, status="failed", message="boom")
    text = drawn(a_run([root], pipeline_name="work"), [root])
    assert text.splitlines()[1:] == ["boom", "lens show last"]


def test_a_request_says_of_what_and_how_it_was_answered() -> None:
    asked = {"http.method": "GET", "http.url": "http://a/b", "http.status_code": 503}
    root = a_span(1, "GET", 0, 7, role=Role.RUN_ROOT, status="failed", attributes=asked)
    text = drawn(a_run([root], pipeline_name="GET"), [root])
    assert text.splitlines()[1:] == ["http://a/b", "HTTP 503", "lens show last"]
    text = drawn(a_run([ROOT]), [ROOT, a_span(2, "GET", 0, 7, 1, attributes=asked)])
    assert "└─ ✔ GET  http://a/b  HTTP 503  " in text


def test_a_run_of_one_model_call_says_model_and_tokens() -> None:
    call = {
        "llm.model_name": "gpt-4o",
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": 2,
    }
    root = a_span(1, "ChatCompletion", 0, 9, role=Role.RUN_ROOT, attributes=call)
    text = drawn(a_run([root], pipeline_name="ChatCompletion"), [root])
    assert text.splitlines()[1] == "gpt-4o  12→2 tok"


def test_depth_says_how_much_lies_below() -> None:
    run, spans = support_triage()
    text = drawn(run, spans, depth=1)
    assert "✔ climb  loop, 3 rounds, exit: met  3 spans below" in text
    assert "#1" not in text


def test_attributes_and_events_stand_beneath_their_span() -> None:
    event = Event("flujo.retry", START_NS + 5 * MS, {"attempt": 2})
    spans = [ROOT, a_step(2, "s", 0, 9, 1, attributes={"k": [1, "x"]}, events=(event,))]
    text = drawn(a_run(spans), spans, attributes=True, events=True)
    assert '   flujo.step.type = Step\n   k = [1, "x"]\n   +5 ms  flujo.retry  attempt=2\n' in text


def test_control_codes_and_markup_are_shown_not_obeyed() -> None:
    name = "\x1b[31mred\x1b]0;t\x07 \u202eevil\n[bold]x[/bold]"
    spans = [ROOT, a_step(2, name, 0, 9, 1, attributes={"\x1b[2J": "\x9b\x00"})]
    text = drawn(a_run(spans, pipeline_name="\x1b[2J"), spans, attributes=True)
    assert "\\x1b[31mred\\x1b]0;t\\x07 \\u202eevil\\n[bold]x[/bold]" in text
    assert not any(char in text for char in "\x1b\x07\x9b\x00\u202e")


def test_wide_characters_keep_the_columns_aligned() -> None:
    spans = [ROOT, a_step(2, "日本語", 0, 500, 1), a_step(3, "abc", 500, 1000, 1)]
    wide, narrow = drawn(a_run(spans), spans, screen(80)).splitlines()[2:]
    assert cell_len(wide[: wide.index("ms")]) == cell_len(narrow[: narrow.index("ms")])


def test_200_levels_say_their_depth_where_guides_would_fill_the_line() -> None:
    spans = [ROOT, *(a_span(n, f"level {n}", 0, 9, n - 1) for n in range(2, 202))]
    text = drawn(a_run(spans), spans, screen(80))
    assert "┊199 └─ ✔ level 201" in text
    assert max(map(cell_len, text.splitlines())) <= 80


any_text = st.text(max_size=20)
any_time = st.integers(-(10**6), 10**6)
any_spans = st.lists(
    st.builds(
        lambda number, parent, start, end, name, status, role: a_span(
            number, name, start, end, parent, status=status, role=role
        ),
        st.integers(1, 12),
        st.none() | st.integers(1, 12),
        any_time,
        st.none() | any_time,
        any_text,
        st.sampled_from(["completed", "failed", "running", "paused", "odd"]),
        st.integers(0, 3),
    ),
    max_size=30,
)


@given(any_spans, st.sampled_from(list(RunStatus)), st.integers(10, 200), st.booleans())
def test_whatever_the_spans_are_they_are_drawn_within_the_terminal(
    spans: list[Span], status: RunStatus, width: int, unicode: bool
) -> None:
    run = a_run(spans, status=status)
    text = drawn(run, spans, screen(width, unicode=unicode))
    assert all(cell_len(line) <= width for line in text.split("\n"))


def test_what_is_over_without_an_end_takes_no_time_that_grows() -> None:
    """As of a trace that was made by hand and saved."""
    span = a_step(2, "by hand", 0, 1, 1)._replace(end_time_ns=None)
    run = a_run([ROOT], end_time_ns=None)
    lines = drawn(run, [ROOT, span], screen(79)).splitlines()
    assert lines == [
        "✔ support-triage 1.2  completed · 1 span · run 7f3a91c2",
        "└─ ✔ by hand          –",
    ]


def test_the_place_of_what_failed_in_a_library_is_where_the_program_called_it() -> None:
    library = 'File "/venv/lib/python3.11/site-packages/httpx/a.py", line 3, in get'
    called = f'File "/srv/app.py", line 41, in answer\n{library}'
    spans = [
        a_span(1, "ask", 0, 9, status="failed", events=(exception("E", "429", called),)),
        a_span(2, "chat", 1, 8, 1, status="failed", events=(exception("E", "429", library),)),
    ]
    text = drawn(a_run(spans), spans)
    assert "at /srv/app.py:41 in answer   lens show last --step chat" in text
    assert text.count("E: 429") == 1


@pytest.mark.parametrize(
    ("original", "resumed", "expected"),
    [
        (f"{'a' * 32}-{'b' * 16}", False, f"replay of {'a' * 32}"),
        ("order 7\x1b", True, "goes on with order 7\\x1b"),
    ],
)
def test_a_graph_s_run_says_which_it_replays(original: str, resumed: bool, expected: str) -> None:
    attributes = {graph.ORIGINAL_EXECUTION_ID: original, graph.IS_RESUMED: resumed}
    root = ROOT._replace(attributes=attributes)
    lines = drawn(a_run(), [root, a_span(2, "node", 0, 1, parent=1)]).splitlines()
    assert expected == lines[1].strip()


def test_a_graph_s_node_or_run_that_did_not_reach_its_end_says_so() -> None:
    root = ROOT._replace(attributes={graph.STATUS: graph.ABANDONED})
    node = a_span(2, "gather", 0, 1, 1, attributes={graph.STATUS: graph.CANCELLED})
    lines = drawn(a_run(), [root, node], screen(70)).splitlines()
    assert ("abandoned", True) == (lines[1].strip(), "✔ gather  cancelled " in lines[-1])
