"""`lens run` of real programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flujo_otel_cli.command_line import call
from support.lens import LENS, environment
from unit.cli.lens import answer

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
        [LENS, "run", "--", *command],
        env={**os.environ, "PATH": environment()["PATH"]},
        check=False,
        capture_output=True,
        text=True,
        **options,
    )


def test_run_passes_streams_and_exit_code_and_shows_the_tree_on_standard_error() -> None:
    done = lens_run(sys.executable, "-c", TRACED, input="hello")
    assert (done.returncode, done.stdout) == (7, "said hello\n")
    # From the first line: of other configurators that are installed it says nothing.
    assert done.stderr.startswith("✔ work  completed in") and "└─ ✔ inner" in done.stderr


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


CAUGHT = """
from opentelemetry import trace
tracer = trace.get_tracer("t")
with tracer.start_as_current_span("import"):
    with tracer.start_as_current_span("a bad order") as order:
        order.set_status(trace.StatusCode.ERROR)
tracer.start_span("flush metrics").end()
"""


def test_run_shows_a_run_in_which_a_span_failed_before_a_newer_one_in_which_none_did() -> None:
    done = lens_run(sys.executable, "-c", CAUGHT)
    assert done.stderr.startswith("✔ import  completed")
    assert done.stderr.splitlines()[-1] == "1 more run: lens list"


def test_run_shows_the_run_of_a_process_that_the_command_started() -> None:
    done = lens_run("sh", "-c", f"{sys.executable} -c '{RUNS}' 'short fail'; true")
    assert done.returncode == 0
    assert "✘ short fail  failed" in done.stderr


WITH_CHILDREN = """
import subprocess, sys
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span(sys.argv[1]) as span:
    span.set_status(trace.StatusCode(2 if sys.argv[1] == "failing child" else 1))
for name in sys.argv[2:]:
    subprocess.run([*sys.orig_argv[:3], name])
"""


def test_run_shows_the_command_s_own_run_before_those_of_the_processes_that_it_started() -> None:
    command = (sys.executable, "-c", WITH_CHILDREN, "main", "failing child", "child")
    done = lens_run(*command)
    assert done.stderr.startswith("✔ main  completed")
    assert done.stderr.splitlines()[-1] == "2 more runs, 1 failed: lens list"


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


def test_run_of_a_program_that_makes_no_run_says_where_it_looked_and_how_to_make_one(
    here: Path,
) -> None:
    done = lens_run("true")
    assert done.returncode == 0
    first, *ways = done.stderr.splitlines()
    database = here / "flujo_otel.db"
    assert first == f"lens run: the command made no run: {database} has none of it."
    program = "\n".join([*(line.strip() for line in ways[-2:]), "def work(): return 1", "work()"])
    (here / "app.py").write_text(program)
    done = lens_run(sys.executable, "app.py")
    assert "✔ work  completed" in done.stderr


def test_run_without_a_command_says_what_to_type(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Give the command to run:  lens run {}-- python your_app.py\n"
    assert answer(capsys, "run") == (2, "", said.format(""))
    assert answer(capsys, "run", "--db", "x.db", "--") == (2, "", said.format("--db x.db "))


def test_run_of_a_program_that_failed_before_it_made_a_run_leaves_the_word_to_it() -> None:
    done = lens_run("sh", "-c", "echo why >&2; exit 3")
    assert done.returncode == 3
    why, told = done.stderr.splitlines()
    assert ("why", True) == (why, told.startswith("lens run: the command made no run"))


@pytest.mark.parametrize("typed", [["--dbb", "x", "--"], ["--dbb=x"], ["--live", "--dbb", "x"]])
def test_run_takes_a_mistyped_option_for_no_command(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", *typed, sys.executable, "-c", "print('ran')"]) == 2
    out, err = capsys.readouterr()
    assert "" == out and "No such option: --dbb" in err and "--db" in err.split("--dbb")[1]


def test_run_leaves_the_commands_options_to_it(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import sys; print(sys.argv[1:])"
    for typed in ([], ["--"]):
        assert call(["run", *typed, sys.executable, "-c", program, "--dbb", "--db", "x", "-v"]) == 0
        assert "['--dbb', '--db', 'x', '-v']\n" == capfd.readouterr().out


def test_run_of_a_program_that_was_killed_at_once_does_not_blame_it() -> None:
    done = lens_run("sh", "-c", "kill -9 $$")
    assert "was killed" in done.stderr and "made no run" not in done.stderr


def test_run_of_a_program_that_ends_by_itself_with_a_large_code_is_not_called_killed() -> None:
    done = lens_run("sh", "-c", "exit 255")
    assert done.returncode == 255
    assert "made no run" in done.stderr and "killed" not in done.stderr


INTERRUPTED = """
import os, signal, sys
from opentelemetry import trace
from flujo_otel import XRay
signal.signal(signal.SIGINT, signal.default_int_handler)  # which the tests' shell may ignore
begin = XRay().trace if "xray" in sys.argv else trace.get_tracer("t").start_as_current_span
with begin("work"):
    trace.get_tracer_provider().force_flush()
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
"""


@pytest.mark.parametrize(("kind", "mark"), [("plain", "✔"), ("xray", "✘")])
def test_run_of_an_interrupted_program_says_that_completed_may_not_be(
    here: Path, kind: str, mark: str
) -> None:
    # From a file, and flushed: Python ends with 1 where it was `-c` that was interrupted, or where
    # code that is a text, as in namedtuple(), runs after that, as with what writing spans imports.
    (here / "app.py").write_text(INTERRUPTED)
    done = lens_run(sys.executable, "app.py", kind)
    assert done.returncode == 128 + signal.SIGINT
    assert f"{mark} work" in done.stderr
    assert ("lens run: SIGINT ended the command" in done.stderr) is (kind == "plain")


def test_run_of_a_script_says_how_it_is_run(here: Path) -> None:
    (here / "app.py").write_text("print('ran')")
    done = lens_run("app.py", "--fast")
    assert "Did you mean: lens run -- python app.py --fast" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [(["sh", "-c", "kill -9 $$"], 137), (["no-such-command"], 127), (["/etc/passwd"], 126)],
)
def test_run_has_the_exit_codes_of_a_shell(command: list[str], code: int) -> None:
    assert lens_run(*command).returncode == code


@pytest.mark.parametrize("options", ["", "--json"])
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", "2>&1 >/dev/null | true"])
def test_run_has_the_programs_exit_code_where_nobody_can_be_shown_the_tree(
    redirected: str, options: str, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(TRACED.replace('print("said", sys.stdin.read())', "pass"))
    command = f"{LENS} run {options} -- {sys.executable} {program}"
    script = f"({command}; echo $? > code) {redirected}"
    if "|" not in redirected:
        script = f"{command} {redirected}; echo $? > code"
    subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, cwd=tmp_path, check=True)
    assert "7\n" == (tmp_path / "code").read_text()


def test_run_has_the_programs_exit_code_where_the_database_is_damaged(tmp_path: Path) -> None:
    assert 7 == lens_run(sys.executable, "-c", TRACED, cwd=tmp_path, input="").returncode
    [db] = tmp_path.glob("*.db")
    header = db.read_bytes()[:200]
    db.write_bytes(header + b"\xff" * (1 << 16))
    done = lens_run(sys.executable, "-c", TRACED, cwd=tmp_path, input="")
    assert (7, True) == (done.returncode, "damaged" in done.stderr)


def test_run_says_why_the_store_cannot_be_read() -> None:
    no_path = f"/tmp/{'x' * 300}"
    done = subprocess.run(
        [LENS, "run", "--db", no_path, "--", "true"], check=False, capture_output=True, text=True
    )
    assert (0, True) == (done.returncode, "File name too long" in done.stderr)


def test_run_shows_the_tree_where_the_working_directory_is_gone(tmp_path: Path) -> None:
    script = f"rmdir $PWD; {LENS} run --db {tmp_path}/otel.db -- {sys.executable} -c '{TRACED}'"
    (gone := tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", script], cwd=gone, check=False, input="", capture_output=True, text=True
    )
    assert (7, True) == (done.returncode, "└─ ✔ inner" in done.stderr), done.stderr


ELSEWHERE = """
import os, signal, threading, time
from flujo_otel_cli.program import Program

program = Program(["sleep", "60"], os.environ)
threading.Thread(target=lambda: (
    time.sleep(0.2),
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM),
    time.sleep(60),
), daemon=True).start()
print(program.wait(), flush=True)
"""


def test_run_passes_on_a_signal_that_does_not_end_its_wait() -> None:
    """As one does that came to another thread, or in the moment before the wait."""
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], check=True, capture_output=True, text=True, timeout=30
    )
    assert "143\n" == done.stdout


def test_run_ends_where_sigchld_is_blocked() -> None:
    """As a supervisor may leave it."""
    program = f"""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGCHLD}})
os.execv({LENS!r}, ["lens", "run", "--", "sh", "-c", "sleep 0.2; exit 3"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=30, check=False
    )
    assert 3 == done.returncode


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_run_leaves_signals_ignored_that_it_was_started_with_so(name: str) -> None:
    """As nohup has SIGHUP, and a script's background Ctrl-C."""
    program = f"""
import os, signal
signal.signal(signal.{name}, signal.SIG_IGN)
os.execv({LENS!r}, ["lens", "run", "--", "sh", "-c", "kill -s {name[3:]} $PPID $$; exit 3"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=30, check=False
    )
    assert 3 == done.returncode


def test_run_passes_signals_on() -> None:
    program = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("on", flush=True)
while True:
    time.sleep(0.05)  # in one long wait the signal that comes just before it is never seen
"""
    lens = subprocess.Popen(
        [LENS, "run", "--", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert lens.stdout is not None
    assert lens.stdout.readline() == "on\n"
    lens.send_signal(signal.SIGTERM)
    assert lens.wait(30) == 5
    lens.stdout.close()
