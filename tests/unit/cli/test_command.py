"""What holds for every command: exit codes, errors, pipes, and where there is no database."""

import os
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest

import flujo_otel
from flujo_otel.model.record import Role
from flujo_otel_cli.command_line import plainly
from flujo_otel_cli.terminal import Terminal
from support.lens import LENS
from unit.cli.lens import answer, document, on_a_terminal
from unit.cli.scenes import a_span, store

COMMANDS = ["list", "trace", "show", "compare", "spans", "stats", "ps", "hung", "doctor"]
_INPUT = "Input should be"


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_database_it_says_how_to_get_one_and_makes_none(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, command)
    assert (code, out) == (3, "")
    assert "No database here" in err and "lens run -- python your_app.py" in err
    assert document(capsys, command)[1]["error"]["code"] == "no_database"
    assert list(here.iterdir()) == []


def test_the_database_of_a_first_run_may_come_a_moment_later(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = a_span(1, "first", 0, 5, role=Role.RUN_ROOT)
    writing = threading.Timer(0.1, store, (here / "flujo_otel.db", [first]))
    writing.start()
    code, out, err = answer(capsys, "list")
    writing.join()
    assert (code, err) == (0, "")
    assert "1 of 1 run" in out


@pytest.mark.parametrize("columns", ["9" * 11, "9" * 5000])
def test_no_width_is_wider_than_a_terminal_can_be(columns: str) -> None:
    assert Terminal.of(sys.stdout, {"COLUMNS": columns}).width == 99_999


@pytest.mark.parametrize("command", COMMANDS)
def test_one_that_was_named_and_is_not_there_is_said_to_be_named_by_db(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = answer(capsys, command, "--db", "none.db")
    said = f"No database here (looked for {here}/none.db, named by --db).\n"
    assert (code, err[: len(said)]) == (3, said)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_another_program_is_refused_untouched(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "flujo_otel.db").write_bytes(b"not a database at all" * 99)
    assert document(capsys, command)[0] == 3
    assert (here / "flujo_otel.db").read_bytes() == b"not a database at all" * 99


@pytest.mark.parametrize(
    "arguments",
    [["nope"], ["list", "--nope"], ["list", "--limit", "0"], ["list", "--since", "soon"]],
)
def test_a_wrong_command_line(
    filled: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, *arguments)[0] == 2
    assert document(capsys, *arguments)[1]["error"]["code"] == "usage"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--limit", "many"], "--limit 'many' is no whole number.\n"),
        (["list", "--limit", "0"], "--limit 0 is less than 1.\n"),
        (["stats", "--hours", "0"], "--hours 0 is less than 0.01.\n"),
        (["stats", "--hours=-1"], "--hours -1 is less than 0.01.\n"),
        (["trace", "--step", "x"], "trace has no option --step. There is  lens show RUN --step "),
        (["--db", "x", "list"], "--db comes after the command, as in  lens list --db PATH\n"),
        (["stats", "--hours", "few"], "--hours 'few' is no number.\n"),
        (["list", "--status", "odd"], "--status 'odd' is not one of 'running', 'completed', "),
    ],
)
def test_a_wrong_value_is_told_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith(said) and err.count("\n") == 1


@pytest.mark.parametrize(
    ("told", "typed", "said"),
    [
        ("'x' is not a valid int.", "x", "'x' is no whole number."),
        (f"{_INPUT} a valid integer, unable to parse string", "x", "'x' is no whole number."),
        ("'x' is not a valid float.", "x", "'x' is no number."),
        (f"{_INPUT} a valid number, unable to parse string", "x", "'x' is no number."),
        ("0.0 is not in the range x>=0.01.", "0", "0 is less than 0.01."),
        (f"{_INPUT} greater than or equal to 0.01", "0", "0 is less than 0.01."),
        ("70 is not in the range 0<=x<=65.", "70", "70 is not from 0 to 65."),
        (f"{_INPUT} less than or equal to 65", "70", "70 is more than 65."),
        ("Value error, 'x' is not one of 'a', 'b'.", "x", "'x' is not one of 'a', 'b'."),
        (f"{_INPUT} a colour", "x", f"{_INPUT} a colour"),
    ],
)
def test_a_wrong_value_is_told_alike_by_typer_before_and_after_it_asked_pydantic(
    told: str, typed: str, said: str
) -> None:
    assert plainly(told, typed) == said


def test_what_to_type_names_the_database_that_was_named(
    filled: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = ("--db", filled.name)
    told = f"All there are:  lens list --db {filled.name}\n"
    assert answer(capsys, "trace", "zzz", *db)[2].endswith(told)
    assert answer(capsys, "list", "--pipeline", "zzz", *db)[1].endswith(told)
    again = f"lens stats --hours 24 --pipeline support-triage --db {filled.name}\n"
    assert answer(capsys, "stats", "--hours", "0.1", "--pipeline", "support-triage", *db)[
        1
    ].endswith(again)
    run = "lens run --db none.db -- python your_app.py\n"
    assert answer(capsys, "list", "--db", "none.db")[2].endswith(run)


def test_a_command_to_copy_is_whole_on_the_narrowest_terminal(filled: Path) -> None:
    path = str(filled)
    narrow = {"TERM": "xterm", "COLUMNS": "40", "NO_COLOR": "1", "LANG": "C.UTF-8"}
    last = on_a_terminal("list", "--db", path, **narrow).splitlines()[-1]
    assert last.endswith(f"lens trace 7f3a --db {path}")
    opens = f"lens show last --step answer --db {path}"
    assert opens in on_a_terminal("trace", "--db", path, **narrow)


def test_a_folder_is_said_to_be_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        code, _, err = answer(capsys, command, "--db", str(here))
        assert (code, err) == (
            3,
            f"{here} is a folder. Name the file in it, as {here}/flujo_otel.db.\n",
        )


def test_an_empty_file_is_said_to_be_empty(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "new.db").touch()
    for command in COMMANDS:
        code, _, err = answer(capsys, command, "--db", "new.db")
        assert (code, err.splitlines()[0]) == (
            3,
            f"{here}/new.db is empty: nothing was traced into it yet (spans take 0.2 s).",
        )


def test_who_named_a_database_is_not_told_to_name_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--db PATH" in answer(capsys, "list")[2]
    assert "--db PATH" not in answer(capsys, "list", "--db", "nowhere.db")[2]
    store(here / "bare.db", [])
    assert "--db PATH" not in "".join(answer(capsys, "list", "--db", "bare.db")[1:])
    assert "--db PATH" not in "".join(answer(capsys, "trace", "--db", "bare.db")[1:])


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("words", [("show", "{}"), ("find", "--name", "{}"), ("compare", "{}")])
def test_what_is_no_utf_8_is_said_to_be_none(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    typed = os.fsdecode(b"a\xff")
    code, _, err = answer(capsys, *(word.format(typed) for word in words))
    assert (code, err) == (2, "'a\\udcff' is no text in UTF-8.\n")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "--version")[1] == f"lens {version('flujo-otel')}\n"
    assert flujo_otel.__version__ == version("flujo-otel")


def test_a_mistyped_command_is_told_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = answer(capsys, "lst")
    assert code == 2
    assert err.endswith("No such command 'lst'. Did you mean list?\n")
    for word in ("version", "help"):
        told = f"No such command {word!r}. Did you mean lens --{word}?\n"
        assert answer(capsys, word)[2].endswith(told)


def test_a_mistyped_run_pipeline_or_step_is_told_the_near_one(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, "trace", "lst")[2].startswith("No run 'lst' here. Did you mean last?\n")
    of_it = "lens list --pipeline support-triage --db flujo_otel.db\n"
    assert answer(capsys, "trace", "Support-triag", "--db", "flujo_otel.db")[2].endswith(of_it)
    assert "Did you mean answer?\n" in answer(capsys, "show", "--step", "ANSWR")[2]
    for command in ("list", "stats"):
        out = answer(capsys, command, "--pipeline", "support")[1].splitlines()
        there_is = "Did you mean support-triage? There are: support-triage."
        assert out[0] == f"No run of a pipeline 'support'. {there_is}"


def test_a_closed_pipe_is_no_traceback(filled: Path) -> None:
    program = f"{LENS} trace --all --attributes; echo $? >&2"
    shell = subprocess.Popen(
        ["sh", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert shell.stdout is not None and shell.stderr is not None
    shell.stdout.close()
    assert shell.stderr.read() == "141\n"
    shell.stderr.close()
    shell.wait()


def test_a_full_disk_is_no_traceback(filled: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [LENS, "trace"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (
        4,
        "lens cannot go on: [Errno 28] No space left on device.\n",
    )


def test_a_damaged_page_is_no_traceback(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = a_span(1, "x", 0, 1, role=Role.RUN_ROOT, run_id="big")
    rows = [a_span(n, "y" * 900, 0, 1, 1, run_id="big") for n in range(2, 2000)]
    store(filled, [root, *rows])
    damaged = bytearray(filled.read_bytes())
    half = len(damaged) // 2
    damaged[half:] = b"\xff" * (len(damaged) - half)
    filled.write_bytes(damaged)
    code, found = document(capsys, "trace", "big")
    assert (code, found["error"]["code"]) == (3, "database_error")


def test_reading_imports_neither_the_sdk_nor_pydantic_nor_flujo(filled: Path) -> None:
    code = (
        "import sys; from flujo_otel_cli.command_line import call; call(['trace']); call(['list']);"
        "call(['show']); heavy = ('opentelemetry', 'pydantic', 'flujo', 'google', 'rich.console');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_terminal_has_colour_and_no_color_takes_all_of_it_away(filled: Path) -> None:
    terminal = {"TERM": "xterm-256color", "COLUMNS": "100", "LANG": "C.UTF-8"}
    assert "\x1b[31m✘ failed\x1b[0m" in on_a_terminal("list", **terminal)
    assert "\x1b" not in on_a_terminal("list", **terminal, NO_COLOR="1")


def test_a_dumb_terminal_has_no_unicode(filled: Path) -> None:
    assert on_a_terminal("trace", TERM="dumb", COLUMNS="100").isascii()


@pytest.mark.parametrize("name", ["LANG", "LC_ALL"])
def test_the_locale_c_has_no_unicode(filled: Path, name: str) -> None:
    others = dict.fromkeys(("LC_ALL", "LC_CTYPE", "LANG"), "")
    drawn = on_a_terminal("trace", TERM="xterm", NO_COLOR="1", **{**others, name: "C"})
    assert drawn.isascii()
    assert not on_a_terminal("trace", TERM="xterm", **{**others, "LANG": "C.UTF-8"}).isascii()


def test_a_database_one_folder_up_is_mentioned(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = filled.parent / "src"
    inner.mkdir()
    monkeypatch.chdir(inner)
    code, _, err = answer(capsys, "list")
    assert (code, "There is one a folder up:  lens list --db ../flujo_otel.db" in err) == (3, True)
    assert answer(capsys, "list", "--db", "../flujo_otel.db")[0] == 0


def test_forward_without_an_option_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = answer(capsys, "forward")
    assert (code, err.startswith("Give one of --to URL")) == (2, True)
