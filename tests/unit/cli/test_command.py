"""`lens` on a real store: what it answers, where, and with which exit code."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import flujo_otel
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from flujo_otel_cli.main import call
from unit.cli.scenes import STACK, a_run, a_span, exception, store, support_triage

LENS = str(Path(sysconfig.get_path("scripts")) / "lens")
ROOT = {
    flujo.PIPELINE_NAME: "support-triage",
    flujo.PIPELINE_VERSION: "1.2",
    flujo.FINAL_CONTEXT: '{"n": 3}',
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, no setting from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("FLUJO_OTEL_DB", "FLUJO_STATE_URI", "COLUMNS", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def filled(here: Path) -> Path:
    """A store at the default place with the run of docs/lens.md."""
    _, spans = support_triage()
    path = here / "flujo_otel.db"
    store(path, spans, **ROOT)
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = answer(capsys, *arguments, "--json")
    return code, json.loads(out)


COMMANDS = ["list", "trace", "show", "spans", "stats", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_database_it_says_how_to_get_one_and_makes_none(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, command)
    assert (code, out) == (3, "")
    assert "No database here" in err and "lens run -- python your_app.py" in err
    assert document(capsys, command)[1]["error"]["code"] == "no_database"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_another_program_is_refused_untouched(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "flujo_otel.db").write_bytes(b"not a database at all" * 99)
    assert document(capsys, command)[0] == 3
    assert (here / "flujo_otel.db").read_bytes() == b"not a database at all" * 99


def test_list(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "list")
    heading, row, footer = out.splitlines()
    assert code == 0
    assert " ".join(heading.split()) == "RUN PIPELINE STATUS STARTED TOOK COST TOKENS SPANS"
    assert row.split("   ")[:3] == [a_run().run_id, "support-triage 1.2", "✘ failed"]
    assert footer == "1 of 1 run · lens trace 7f3a"


def test_list_of_nothing_is_an_answer(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "list", "--status", "paused")[0] == 0
    assert document(capsys, "list", "--since", "1h")[1] == {"runs": [], "total": 0}


def test_list_as_json(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "list", "--status", "failed", "--pipeline", "support-triage")
    assert (code, found["total"]) == (0, 1)
    assert found["runs"][0]["run_id"] == a_run().run_id
    assert found["runs"][0]["start_time"] == "2025-11-21T04:40:00.000000000Z"


def test_trace_as_json_has_parents_before_children(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = document(capsys, "trace", "last")
    tree = [(span["depth"], span["name"]) for span in found["spans"]]
    assert tree[:4] == [(0, "pipeline_run"), (1, "classify"), (1, "climb"), (2, "up")]
    assert len(tree) == 13


def test_trace_of_errors_alone(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "trace", "--errors")
    assert [span["name"] for span in found["spans"]] == ["pipeline_run", "answer"]
    assert "classify" not in answer(capsys, "trace", "--errors")[1]


def test_show(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show")
    assert code == 0
    assert out.startswith("╭─ support-triage 1.2  ✘ failed ─")
    assert 'final context  {"n": 3}' in out


def test_show_one_step_with_its_exception(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show", "last", "--step", "answer")
    assert code == 0
    assert "exception  ValueError: sour milk\n  at /srv/app.py:41 in answer" in out
    assert answer(capsys, "show", "last", "--step", "10")[1] == out


def test_an_unknown_step_names_the_steps_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = document(capsys, "show", "last", "--step", "nope")
    assert (code, found["error"]["code"]) == (1, "no_such_step")
    assert "classify" in found["error"]["steps"]


@pytest.fixture
def plain(here: Path) -> Path:
    """A store with a run that has spans alone: OpenTelemetry without flujo."""
    sour = exception("ValueError", "sour", STACK)
    spans = [
        a_span(1, "GET /orders", 0, 900, role=Role.RUN_ROOT, status="failed"),
        a_span(2, "SELECT", 0, 300, 1, attributes={"db.system": "sqlite", "rows": 3}),
        a_span(3, "render", 300, 900, 1, status="failed", events=(sour,)),
        a_span(4, "inner", 300, 400, 3),
    ]
    path = here / "flujo_otel.db"
    store(path, spans)
    return path


def test_show_of_a_run_without_steps_has_its_error_and_its_top_level_spans(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show")
    assert out.partition("╯\n")[2].splitlines() == [
        "ValueError: sour",
        "at /srv/app.py:41 in answer",
        "✘ GET /orders  900 ms",
        "✔ SELECT  300 ms  db.system=sqlite  rows=3",
        "✘ render  600 ms",
        "lens trace 7f3a91c2 --attributes",
    ]


def test_show_opens_a_span_of_a_run_without_steps(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show", "last", "--step", "render")
    assert out.startswith("✘ render  600 ms\nexception  ValueError: sour\n  at /srv/app.py:41")
    assert "\nevents\n" in out and "\nattributes\n" in out
    code, found = document(capsys, "show", "last", "--step", "SELECT")
    assert (code, [span["name"] for span in found["spans"]]) == (0, ["SELECT"])
    code, found = document(capsys, "show", "last", "--step", "nope")
    assert (code, found["error"]["spans"][:2]) == (1, ["GET /orders", "SELECT"])


def test_spans_filtered(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "spans", "last", "--status", "completed", "--name", "up")
    assert [span["name"] for span in found["spans"]] == ["up", "up", "up"]


def test_stats(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "stats", "--hours", "900000", "--sort", "count")
    assert found["statistics"][0]["name"] == "up"
    assert answer(capsys, "stats", "--hours", "900000")[1].startswith("SPAN")


def test_doctor_where_there_is_flujo_s_own_database_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(here / "flujo_ops.db")) as connection:
        for table in ("workflow_state", "runs", "steps", "spans"):
            connection.execute(f"CREATE TABLE {table} (run_id TEXT)")
    code, out, err = answer(capsys, "doctor")
    assert (code, err) == (0, "")
    assert "none of ours yet" in out and f"flujo's own is {here}/flujo_ops.db" in out
    assert document(capsys, "doctor")[1]["flujo_path"] == f"{here}/flujo_ops.db"


def test_a_sound_database(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "doctor")
    assert code == 0
    assert "1 run, 13 spans, integrity ok" in out
    assert document(capsys, "doctor")[1]["sound"] is True


def test_what_was_lost_is_a_fault(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flujo_otel.model import Loss
    from flujo_otel.spanstore.factory import open_writer

    writer = open_writer(filled)
    writer.count_losses([Loss("app", "queue_full", "64 MB", 120, 0, time.time_ns())])
    writer.close()
    code, out, _ = answer(capsys, "doctor")
    assert code == 1
    assert "120 spans of app" in out and "raise FLUJO_OTEL_QUEUE_BYTES" in out


async def test_a_run_without_spans_says_so_and_names_its_steps(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import UTC, datetime

    from flujo_otel.storage.sqlite import SQLiteBackend

    backend = SQLiteBackend(here / "flujo_otel.db")
    run = {"pipeline_name": "p", "pipeline_version": "1", "start_time": datetime.now(UTC)}
    for run_id in ("bare", "stepped"):
        await backend.save_run_start({**run, "run_id": run_id, "status": "running"})
    step = {"step_run_id": "s", "step_name": "\x1b[1mone", "step_index": 0, "status": "completed"}
    times = {"start_time": datetime.now(UTC), "end_time": datetime.now(UTC)}
    await backend.save_step_result({**step, **times, "run_id": "stepped"})
    assert "This run has no spans.\n" in answer(capsys, "trace", "bare")[1]
    assert "no spans, but 1 step:\n✔ \\x1b[1mone\n" in answer(capsys, "trace", "stepped")[1]


def test_a_killed_program_s_run_died(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        "import flujo_otel, time; flujo_otel.configure(); from opentelemetry import trace;"
        "trace.get_tracer('t').start_span('hangs'); time.sleep(1); print('on', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert document(capsys, "list")[1]["runs"][0]["status"] == "running"
        assert "● hangs  running for" in answer(capsys, "trace")[1]
        child.kill()
    assert document(capsys, "list", "--status", "died")[1]["total"] == 1
    out = answer(capsys, "trace")[1]
    assert out.startswith("✝ hangs  died after")
    assert f"(pid {child.pid} on " in out and "is gone" in out


def test_what_was_open_in_a_killed_process_is_marked_alike_by_every_command(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = {"flujo.step.type": "Step", "flujo.step.index": 1}
    program = (
        "import flujo_otel, time; p = flujo_otel.configure(); from opentelemetry import trace;"
        "t = trace.get_tracer('t');"
        "root = t.start_span('run', attributes={'flujo.pipeline.name': 'doomed'});"
        f"t.start_span('slow', trace.set_span_in_context(root), attributes={step});"
        "trace.get_tracer_provider().force_flush(); print('on', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    shown = [
        next(line for line in answer(capsys, *command)[1].splitlines() if "slow" in line)
        for command in (("trace",), ("show",), ("show", "last", "--step", "slow"), ("spans",))
    ]
    assert [("✝" in line, "+" in line, "…" in line) for line in shown] == [(True, True, False)] * 4
    assert len({re.search(r"[\d.]+ .?s\+", line)[0] for line in shown}) == 1  # type: ignore[index]


def test_an_unknown_run(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "trace", "7f3a99")
    assert (code, found["error"]["code"]) == (1, "no_such_run")
    assert found["error"]["near"] == [a_run().run_id]


def test_an_ambiguous_prefix_lists_its_candidates(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = a_span(1, "other", 0, 1, role=Role.RUN_ROOT, run_id="7f11")
    store(filled, [other], **{flujo.PIPELINE_NAME: "nightly"})
    code, _, err = answer(capsys, "trace", "7f")
    assert code == 1
    assert err.startswith("7f names 2 runs:")
    assert "7f3a91c2  support-triage 1.2" in err and "7f11  nightly" in err


@pytest.mark.parametrize(
    "arguments",
    [["nope"], ["list", "--nope"], ["list", "--limit", "0"], ["list", "--since", "soon"]],
)
def test_a_wrong_command_line(
    filled: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, *arguments)[0] == 2
    assert document(capsys, *arguments)[1]["error"]["code"] == "usage"


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
            f"{here}/new.db is empty: nothing was traced into it yet.",
        )


def test_who_named_a_database_is_not_told_to_name_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--db PATH" in answer(capsys, "list")[2]
    assert "--db PATH" not in answer(capsys, "list", "--db", "nowhere.db")[2]
    store(here / "bare.db", [])
    assert "--db PATH" not in "".join(answer(capsys, "list", "--db", "bare.db")[1:])
    assert "--db PATH" not in "".join(answer(capsys, "trace", "--db", "bare.db")[1:])


def test_a_list_that_is_cut_says_how_to_see_all(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [
        a_span(n, "x", n, n + 1, role=Role.RUN_ROOT, run_id=f"{n:04}") for n in range(100, 110)
    ]
    store(filled, others)
    assert "1 of 11 runs · lens list --limit 11 · " in answer(capsys, "list", "--limit", "1")[1]


def test_stats_of_an_unknown_pipeline_name_those_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "stats", "--pipeline", "nope")[1]
    assert out == "No run of a pipeline 'nope'. There are: support-triage.\n"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "--version")[1] == f"lens {version('flujo-otel')}\n"
    assert flujo_otel.__version__ == version("flujo-otel")


def test_a_mistyped_command_is_told_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = answer(capsys, "lst")
    assert code == 2
    assert err.endswith("No such command 'lst'. Did you mean list?\n")


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
        "import sys; from flujo_otel_cli.main import call; call(['trace']); call(['list']);"
        "call(['show']); heavy = ('opentelemetry', 'pydantic', 'flujo', 'google', 'rich.console');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What `lens` writes to a terminal."""
    ours, theirs = pty.openpty()
    subprocess.run([LENS, *arguments], stdout=theirs, env={**os.environ, **environment}, check=True)
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # Linux says EIO where nobody holds the other end
        pass
    os.close(ours)
    return output.decode()


def test_a_terminal_has_colour_and_no_color_takes_all_of_it_away(filled: Path) -> None:
    terminal = {"TERM": "xterm-256color", "COLUMNS": "100", "LANG": "C.UTF-8"}
    assert "\x1b[31m✘ failed\x1b[0m" in on_a_terminal("list", **terminal)
    assert "\x1b" not in on_a_terminal("list", **terminal, NO_COLOR="1")


def test_a_dumb_terminal_has_no_unicode(filled: Path) -> None:
    assert on_a_terminal("trace", TERM="dumb", COLUMNS="100").isascii()


TRACED = """
import sys
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("work"):
    with trace.get_tracer("t").start_as_current_span("inner"):
        print("said", sys.stdin.read())
sys.exit(7)
"""


def lens_run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LENS, "run", "--", *command], check=False, capture_output=True, text=True, **options
    )


def test_run_passes_streams_and_exit_code_and_shows_the_tree_on_standard_error() -> None:
    done = lens_run(sys.executable, "-c", TRACED, input="hello")
    assert (done.returncode, done.stdout) == (7, "said hello\n")
    assert "✔ work  completed in" in done.stderr and "└─ ✔ inner" in done.stderr


RUNS = """
import sys, time
from opentelemetry import trace
for name, seconds, status in (("long ok", 0.5, 1), ("short fail", 0, 2), ("last", 0, 1)):
    if name in sys.argv:
        with trace.get_tracer("t").start_as_current_span(name) as span:
            span.set_status(trace.StatusCode(status))
            time.sleep(seconds)
"""


def test_run_shows_the_newest_of_several_runs_and_counts_the_rest() -> None:
    done = lens_run(sys.executable, "-c", RUNS, "short fail", "long ok", "last")
    assert "✘ short fail  failed" in done.stderr
    assert done.stderr.splitlines()[-1] == "2 more runs: lens list"
    done = lens_run(sys.executable, "-c", RUNS, "long ok", "last")
    assert "✔ last  completed" in done.stderr
    assert done.stderr.splitlines()[-1] == "1 more run: lens list"


def test_run_shows_the_run_of_a_process_that_the_command_started() -> None:
    done = lens_run("sh", "-c", f"{sys.executable} -c '{RUNS}' 'short fail'; true")
    assert done.returncode == 0
    assert "✘ short fail  failed" in done.stderr


BUSY = """
import pathlib, time, flujo_otel
flujo_otel.configure()
from opentelemetry import trace
print("on", flush=True)
while not pathlib.Path("go").exists():
    time.sleep(0.01)
trace.get_tracer("t").start_span("not mine").end()
trace.get_tracer_provider().force_flush()
pathlib.Path("done").touch()
"""


def test_run_leaves_out_the_runs_of_a_process_that_was_there_before(here: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"on\n"
        done = lens_run("sh", "-c", "touch go; while [ ! -e done ]; do sleep 0.05; done")
    assert "the command made no run" in done.stderr
    assert call(["list"]) == 0


def test_run_of_a_program_that_makes_no_run_says_so() -> None:
    done = lens_run("sh", "-c", "exit 3")
    assert done.returncode == 3
    assert "the command made no run" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [(["sh", "-c", "kill -9 $$"], 137), (["no-such-command"], 127), (["/etc/passwd"], 126)],
)
def test_run_has_the_exit_codes_of_a_shell(command: list[str], code: int) -> None:
    assert lens_run(*command).returncode == code


def test_run_passes_signals_on() -> None:
    program = (
        "import signal, sys; signal.signal(15, lambda *_: sys.exit(5)); print('on', flush=True)"
    )
    lens = subprocess.Popen(
        [LENS, "run", "--", sys.executable, "-c", f"{program}; signal.pause()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert lens.stdout is not None
    assert lens.stdout.readline() == "on\n"
    lens.send_signal(signal.SIGTERM)
    assert lens.wait(30) == 5
    lens.stdout.close()
