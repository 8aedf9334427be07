"""`lens find` on a real store."""

from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from flujo_otel_cli.problem import Exit
from unit.cli.lens import answer, document, on_a_terminal
from unit.cli.scenes import a_span, store

LONG = "x" * 500


@pytest.fixture
def milk(here: Path) -> Path:
    """A run with five spans that speak of milk."""
    spans = [a_span(1, "app", 0, 900, role=Role.RUN_ROOT)]
    spans += [
        a_span(number, f"pour {number}", number, 10 * number, 1, attributes={"of": "Milk"})
        for number in range(2, 6)
    ]
    spans.append(
        a_span(
            6,
            "drink",
            60,
            90,
            1,
            status="failed",
            message="milk is sour",
            attributes={"error.message": "milk is sour", "input.value": f"{LONG}sour milk{LONG}"},
        )
    )
    path = here / "flujo_otel.db"
    store(path, spans)
    return path


@pytest.mark.usefixtures("milk")
def test_the_first_spans_of_a_run_and_how_to_see_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = answer(capsys, "find", "milk", "--over", "5ms")
    assert code == Exit.OK
    assert out.splitlines()[1:] == [
        "  ✔ pour 2  18 ms",
        "      of  Milk",
        "  ✔ pour 3  27 ms",
        "      of  Milk",
        "  ✔ pour 4  36 ms",
        "      of  Milk",
        "  2 spans more:  lens find milk --over 5ms --run 7f3a",
        "5 spans in 1 run",
        "To open one:  lens show 7f3a --step 'pour 2'",
    ]
    of_run = answer(capsys, "find", "milk", "--over", "5ms", "--run", "7f3a")[1]
    assert "✔ pour 5" in of_run and "✘ drink" in of_run and "more" not in of_run


@pytest.mark.usefixtures("milk")
def test_what_is_recorded_by_two_names_is_said_once_and_long_text_around_the_find(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = answer(capsys, "find", "SOUR", "--status", "failed")[1].splitlines()
    assert lines[1:3] == ["  ✘ drink  30 ms", "      status message  milk is sour"]
    assert lines[3].startswith("      input.value  …" + 30 * "x" + "sour milk")
    assert lines[3].endswith("…")


@pytest.mark.usefixtures("milk")
@pytest.mark.parametrize("columns", ["24", "40", "80"])
def test_what_was_found_is_seen_on_a_narrow_terminal(columns: str) -> None:
    out = on_a_terminal("find", "sour milk", COLUMNS=columns, NO_COLOR="1")
    assert "sour milk" in out
    assert max(len(line) for line in out.splitlines() if "lens show" not in line) <= int(columns)


@pytest.mark.usefixtures("milk")
def test_words_without_quotes_are_one_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "find", "sour", "milk") == answer(capsys, "find", "sour milk")
    assert answer(capsys, "find", "milk", "sour")[1] == "No spans match.\n"


@pytest.mark.usefixtures("milk")
def test_what_was_found_is_bold() -> None:
    out = on_a_terminal("find", "is sour", COLUMNS="80")
    assert "milk \x1b[1mis sour\x1b[0m" in out


@pytest.mark.usefixtures("milk")
def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "find", "milk", "--where", "of", "--name", "pour 3")
    [run] = found["runs"]
    assert not found["has_more"]
    assert run["pipeline_name"] == "app"
    [span] = run["found"]
    assert span["name"] == "pour 3"
    assert span["places"] == [
        {"name": "of", "text": "Milk", "start": 0, "end": 0},
        {"name": "of", "text": "Milk", "start": 0, "end": 4},
    ]


def test_a_run_in_another_says_in_which_and_what_opens_a_run_itself(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner_id = "c4" * 16
    outer = [a_span(1, "app", 0, 90, role=Role.RUN_ROOT), a_span(2, "ask", 5, 80, 1)]
    inner = a_span(3, "draft", 10, 70, 2, role=Role.RUN_ROOT, run_id=inner_id)
    store(here / "flujo_otel.db", [*outer, inner])
    lines = answer(capsys, "find", "draft")[1].splitlines()
    assert lines[0].startswith("c4c4  app  in 7f3a  ✔")
    assert lines[-1] == "To open one:  lens show c4c4"
    assert "  in " not in answer(capsys, "find", "app")[1].splitlines()[0]


def test_more_runs_than_are_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        run_id = f"{number:032x}"
        span = a_span(number + 1, "app", number, number + 1, role=Role.RUN_ROOT, run_id=run_id)
        store(here / "flujo_otel.db", [span._replace(trace_id=run_id)])
    out = answer(capsys, "find", "--name", "app", "--limit", "2")[1]
    assert "2 spans in 2 runs" in out
    assert "There are more:  lens find --name app --limit 4" in out
    assert "more" not in answer(capsys, "find", "app", "--limit", "3")[1]


@pytest.mark.usefixtures("milk")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Nothing to look for"),
        ([""], "Nothing to look for"),
        (["--pipeline", "app"], "Nothing to look for"),
        (["--where", "=3"], "'=3' is no condition: KEY, KEY=VALUE or 'KEY>NUMBER'"),
        (["--where", "a>b"], "'a>b' is no condition"),
        (["--over", "long"], "--over 'long' is no length of time"),
    ],
)
def test_what_cannot_be_looked_for(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, out, err = answer(capsys, "find", *arguments)
    assert (code, out) == (Exit.USAGE, "")
    assert said in err


@pytest.mark.usefixtures("milk")
def test_nothing_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "find", "honey")[:2] == (Exit.OK, "No spans match.\n")
    assert "Did you mean app?" in answer(capsys, "find", "milk", "--pipeline", "ap")[1]
    assert document(capsys, "find", "honey")[1] == {"runs": [], "has_more": False}


@pytest.mark.usefixtures("milk")
def test_a_run_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "find", "milk", "--run", "zzz")[0] == Exit.NOT_FOUND


@pytest.mark.usefixtures("milk")
def test_a_limit_beyond_what_can_be_counted_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "find", "milk", "--limit", "9" * 30)
    assert code == Exit.OK
    assert "\n5 spans in 1 run\n" in out
