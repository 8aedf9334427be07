"""`lens run --live`: the tree below what a real program prints, on a real terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from flujo_otel import XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel_cli import live
from flujo_otel_cli.live import LiveTree, watch
from flujo_otel_cli.program import Program
from flujo_otel_cli.relay import Relay
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import cell_len
from flujo_otel_cli.theme import UNICODE
from support.lens import LENS, Lens, environment

STEPS = """
import pathlib, sys, time
from opentelemetry import trace
tracer = trace.get_tracer("t")
with tracer.start_as_current_span("root"):
    for name in ("one", "two"):
        with tracer.start_as_current_span(name):
            print("printed in", name, sys.stdout.isatty(), sys.stderr.isatty(), flush=True)
            while not pathlib.Path(f"seen {name}").exists():
                time.sleep(0.02)
sys.exit(3)
"""
CLEAR = "\x1b[J"


def run(folder: Path, program: str, **more: str) -> Lens:
    command = ("run", "--live", "--", sys.executable, "-c", program)
    return Lens(*command, cwd=folder, columns=80, NO_COLOR="1", TERM="xterm", **more)


def seen(folder: Path, *names: str) -> None:
    """Let the program go on."""
    for name in names:
        (folder / f"seen {name}").touch()


def test_the_tree_is_drawn_below_the_output_while_the_program_runs(tmp_path: Path) -> None:
    with run(tmp_path, STEPS) as lens:
        before = lens.until("● one")
        assert any("printed in one True True" in line for line in before)
        assert any("root  running for" in line for line in before)
        seen(tmp_path, "one")
        during = lens.until("● two")
        printed = next(line for line in during if "printed in two" in line)
        assert CLEAR in printed  # what was drawn made room for it
        assert any("✔ one" in line for line in during)
        seen(tmp_path, "two")
        lens.rest()
        assert lens.process.wait() == 3


def test_at_the_end_the_tree_stands_there_once(tmp_path: Path) -> None:
    seen(tmp_path, "one")
    with run(tmp_path, STEPS) as lens:
        drawn = lens.until("● two")
        seen(tmp_path, "two")
        output = "\n".join([*drawn, *lens.rest()])
    last = output.rpartition(CLEAR)[2]
    assert last.count("root  completed in") == 1
    assert last.count("✔ one") == last.count("✔ two") == 1


NESTED = """
import pathlib, time
from opentelemetry import trace
start = trace.get_tracer("t").start_as_current_span
with start("shop"):
    with start("ranking", attributes={"flujo.run_id": "rank-1", "flujo.pipeline.name": "ranking"}):
        with start("score"):
            while not pathlib.Path("seen score").exists():
                time.sleep(0.02)
    with start("pay"):
        while not pathlib.Path("seen pay").exists():
            time.sleep(0.02)
"""


def test_a_run_inside_another_is_drawn_in_its_place_while_both_run(tmp_path: Path) -> None:
    with run(tmp_path, NESTED) as lens:
        before = lens.until("● score")
        assert any("● shop  running for" in line for line in before)
        assert any("● ranking  run rank-1" in line for line in before)
        seen(tmp_path, "score")
        during = lens.until("● pay")
        assert any("✔ ranking  run rank-1" in line for line in during)
        seen(tmp_path, "pay")
        last = "\n".join(lens.rest()).rpartition(CLEAR)[2]
    assert "✔ shop  completed in" in last and "1 run inside" in last
    assert "more run" not in last


WITH_CHILD = """
import pathlib, subprocess, sys, time
from opentelemetry import trace
tracer = trace.get_tracer("t")
if "child" in sys.argv:
    tracer.start_span("in the child").end()
    sys.exit()
with tracer.start_as_current_span("main"):
    subprocess.run([*sys.orig_argv, "child"])
    with tracer.start_as_current_span("after"):
        while not pathlib.Path("seen after").exists():
            time.sleep(0.02)
"""


def test_a_run_of_a_child_does_not_take_the_place_of_the_command_s_that_still_runs(
    tmp_path: Path,
) -> None:
    with run(tmp_path, WITH_CHILD) as lens:
        lens.until("● after")
        seen(tmp_path, "after")
        last = "\n".join(lens.rest()).rpartition(CLEAR)[2]
    assert "✔ main  completed in" in last and "1 more run: lens list" in last


PROMPT = """
import sys, time
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("asks"):
    sys.stdout.write("your name? ")
    sys.stdout.flush()
    time.sleep(1.5)
    print("thanks")
"""


def test_a_prompt_is_not_drawn_over(tmp_path: Path) -> None:
    with run(tmp_path, PROMPT) as lens:
        assert any("your name? thanks" in line for line in lens.rest())


def test_without_a_terminal_the_tree_comes_at_the_end(tmp_path: Path) -> None:
    seen(tmp_path, "one", "two")
    done = subprocess.run(
        [LENS, "run", "--live", "--", sys.executable, "-c", STEPS],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == "printed in one False False\nprinted in two False False\n"
    assert "✔ root  completed" in done.stderr and CLEAR not in done.stderr


WAITS = """
import signal, sys, time
from opentelemetry import trace
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
with trace.get_tracer("t").start_as_current_span("waits"):
    print("on", flush=True)
    while True:
        time.sleep(0.05)  # one long wait does not see the signal that comes just before it
"""


def test_signals_and_the_exit_code_pass(tmp_path: Path) -> None:
    with run(tmp_path, WAITS) as lens:
        lens.until("waits  running")
        assert lens.stop(signal.SIGTERM) == 5


MANY = """
import pathlib, time
from opentelemetry import trace
tracer = trace.get_tracer("t")
with tracer.start_as_current_span("root"):
    for letter in "abcdefghijklmnopqrstuvwxyz" * 2:
        with tracer.start_as_current_span(letter * 3):
            pass
    with tracer.start_as_current_span("waits"):
        while not pathlib.Path("seen all").exists():
            time.sleep(0.02)
"""


def test_a_tree_taller_than_the_terminal_keeps_its_first_and_last_lines(tmp_path: Path) -> None:
    with run(tmp_path, MANY) as lens:
        drawn = lens.until("● waits")
        start = max(number for number, line in enumerate(drawn) if "root  running" in line)
        assert len(drawn[start:]) <= 40
        assert drawn[start + 1].startswith("… ") and drawn[start + 1].endswith(" lines")
        seen(tmp_path, "all")
        lens.rest()


def test_no_line_is_wider_than_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is cuts off what was drawn before it; a command is no exception here."""
    storage = SQLiteStorage(tmp_path / "otel.db")
    with (
        pytest.raises(ValueError),
        XRay(storage=storage).trace("narrow") as trace,
        trace.step("漢字 in a name that has no room here"),
    ):
        raise ValueError("sour milk")
    storage.close()
    narrow = Terminal(sys.stderr, width=24, cuts=True, colour=False, theme=UNICODE)
    monkeypatch.setattr(live, "Terminal", SimpleNamespace(of=lambda stream: narrow))
    with closing(LiveTree(str(tmp_path / "otel.db"), 0, bool, bool)) as view:
        lines = view.lines()
    assert lines is not None and any("lens show" in line for line in lines)
    assert 24 >= max(map(cell_len, lines))


WRITES_MUCH = """
import pathlib, sys, time
while not pathlib.Path("drawing").exists():
    time.sleep(0.01)
for _ in range(1000):
    print("x" * 999, file=sys.stderr)
pathlib.Path("written").touch()
"""


class Laborious(LiveTree):
    """A tree that takes until the program has written all that it has to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, 0, lambda run: False, lambda run: False)
        self.folder = folder
        self.times_given_up = 0

    def lines(self) -> list[str] | None:
        (self.folder / "drawing").touch()
        give_up = time.monotonic() + 20
        while not (self.folder / "written").exists():
            if time.monotonic() > give_up:
                self.times_given_up += 1
                break
            time.sleep(0.01)
        return None


@pytest.fixture
def own_signals() -> Iterator[None]:
    """A program takes the signals over for good."""
    numbers = [signal.Signals[f"SIG{n}"] for n in ("TERM", "HUP", "INT", "QUIT", "USR1", "USR2")]
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_drawing_never_keeps_the_program_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    view = Laborious(tmp_path)
    with closing(Relay()) as relay:
        program = Program([sys.executable, "-c", WRITES_MUCH], os.environ, relay.theirs)
        relay.started()
        watch(program, relay, view)
        assert program.wait() == 0
    assert view.times_given_up == 0
    assert capfd.readouterr().err.count("x" * 999) == 1000


class EndsAtOnce(Program):
    """A program that writes its last line and ends just before it is asked whether it has."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.has_ended = False

    def is_over(self) -> bool:
        if not self.has_ended:
            os.write(self.terminal, b"the last line\n")
            os.close(self.terminal)
            self.has_ended = True
        return True


def test_what_a_program_writes_just_before_its_end_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    view = LiveTree(str(tmp_path / "none.db"), 0, bool, bool)
    with closing(Relay()) as relay:
        watch(EndsAtOnce(relay.theirs), relay, view)
    assert "the last line\n" in capfd.readouterr().err
