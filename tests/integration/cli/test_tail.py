"""`lens tail` beside real programs: live, across processes, whatever becomes of the database."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from support import programs
from support.lens import LENS, Lens, environment

WORK = """
from opentelemetry import trace
import flujo_otel, sys, time
flujo_otel.configure()
tracer = trace.get_tracer("t")
with tracer.start_as_current_span(sys.argv[1]):
    trace.get_tracer_provider().force_flush()
    if "wait" in sys.argv:
        print("on", flush=True)
        sys.stdin.readline()
    with tracer.start_as_current_span("inner"):
        pass
"""


def work(folder: Path, name: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, name, *more],
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def work_to_the_end(folder: Path, name: str) -> None:
    process = work(folder, name)
    process.communicate(timeout=60)
    assert process.returncode == 0


def followed(lens: Lens, event: str, name: str) -> None:
    """Read on to this event of this span."""
    while True:
        told = lens.document()
        if (told["event"], told["span"]["name"]) == (event, name):
            return


def refused(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What `lens tail` says where it does not begin."""
    return subprocess.run(
        [LENS, "tail", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_spans_of_another_process_are_told_as_they_start_and_end(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "before")
    with Lens("tail", "--json", "--since", "1h", cwd=tmp_path) as lens:
        followed(lens, "ended", "before")
        process = work(tmp_path, "root", "wait")
        followed(lens, "started", "root")
        process.communicate("\n", timeout=60)
        events = [lens.document() for _ in range(2)]
        told = {(each["event"], each["span"]["name"]) for each in events}
        assert told == {("ended", "inner"), ("ended", "root")}
        assert lens.stop() == 0
        assert lens.errors() == ""


def test_requests_of_one_name_differ_in_what_they_called(tmp_path: Path) -> None:
    db = tmp_path / "spans.db"
    program = """
    tracer = traced().get_tracer("t")
    for city in ("Rome", "Bonn"):
        address = {"url.full": f"http://here/weather/{city}?api_key=sk-abcdefghij0123456789"}
        tracer.start_span("GET /weather/{city}", attributes=address).end()
    """
    programs.run(db, program)
    with Lens("tail", "--since", "1h", "--db", str(db), cwd=tmp_path) as lens:
        told = [lens.line() for _ in range(2)]
        assert lens.stop() == 0
    for line, city in zip(told, ("Rome", "Bonn"), strict=True):
        assert f"GET /weather/{{city}}  http://here/weather/{city}?api_key=" in line
        assert "sk-abc" not in line


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pipe of a known size")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_interrupted_amid_a_line_it_ends_after_it(tmp_path: Path, unbuffered: str) -> None:
    """The reader is slow: most of a long line still waits for room in the pipe."""
    db = tmp_path / "spans.db"
    programs.run(db, 'traced().get_tracer("t").start_span("x" * 50_000).end()')
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    lens = subprocess.Popen(
        [LENS, "tail", "--json", "--since", "1h", "--db", db],
        env=environment(PYTHONUNBUFFERED=unbuffered),
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as stream:
        deadline = time.monotonic() + 60
        while _waiting_bytes(ours) < 4096 and time.monotonic() < deadline:
            time.sleep(0.01)
        lens.send_signal(signal.SIGINT)
        time.sleep(0.1)  # the signal is there before there is room
        assert "x" * 50_000 == json.loads(stream.read())["span"]["name"]
    assert (0, "") == (lens.wait(60), lens.communicate()[1])


def _waiting_bytes(pipe: int) -> int:
    waiting = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(waiting, sys.byteorder)


def test_from_now_on_unless_a_time_is_named(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "before")
    with Lens("tail", cwd=tmp_path, columns=100) as lens:
        assert "Following" in lens.line()
        work_to_the_end(tmp_path, "after")
        told = lens.until("after")
        assert not any("before" in line for line in told)
        assert lens.stop() == 0


def test_a_database_that_is_made_later_deleted_and_replaced_is_followed(tmp_path: Path) -> None:
    db = tmp_path / "flujo_otel.db"
    with Lens("tail", "--json", cwd=tmp_path) as lens:
        assert lens.process.stderr is not None
        waiting = f"No database at {db} yet: waiting for one.\n"
        assert lens.process.stderr.readline() == waiting
        work_to_the_end(tmp_path, "made later")
        followed(lens, "ended", "made later")
        for file in tmp_path.glob("flujo_otel.db*"):
            file.unlink()
        work_to_the_end(tmp_path, "made again")
        followed(lens, "ended", "made again")
        (tmp_path / "other").mkdir()
        work_to_the_end(tmp_path / "other", "of another file")
        # A log that is left beside it would be the new file's.
        (tmp_path / "flujo_otel.db-wal").unlink(missing_ok=True)
        (tmp_path / "other" / "flujo_otel.db").replace(db)
        followed(lens, "ended", "of another file")
        work_to_the_end(tmp_path, "into the other file")
        followed(lens, "ended", "into the other file")
        assert lens.stop() == 0


def test_runs_are_told_as_they_start_and_end(tmp_path: Path) -> None:
    with Lens("tail", "--runs", "--name", "wanted", "--json", cwd=tmp_path) as lens:
        work_to_the_end(tmp_path, "other")
        process = work(tmp_path, "wanted", "wait")
        told = lens.document()
        assert (told["event"], told["run"]["pipeline_name"]) == ("started", "wanted")
        process.communicate("\n", timeout=60)
        told = lens.document()
        assert (told["event"], told["run"]["status"]) == ("ended", "completed")
        assert told["run"]["span_count"] == 2
        assert lens.stop() == 0


def test_a_run_whose_process_is_killed_is_told_to_have_died(tmp_path: Path) -> None:
    with Lens("tail", "--runs", cwd=tmp_path) as lens:
        process = work(tmp_path, "doomed", "wait")
        assert "●" in lens.until("doomed")[-1]
        process.kill()
        process.communicate()
        died = lens.line()
        assert "✝" in died and f"(pid {process.pid} on " in died and "is gone" in died
        assert lens.stop() == 0


def test_only_of_one_run(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "first")
    work_to_the_end(tmp_path, "second")
    options = ("--run", "last", "--since", "1h", "--name", "inner")
    with Lens("tail", *options, "--json", cwd=tmp_path) as lens:
        told = lens.document()
        [run_id] = programs.query(
            tmp_path / "flujo_otel.db", "SELECT run_id FROM runs ORDER BY start_time_ns DESC"
        )[0]
        assert (told["span"]["name"], told["span"]["run_id"]) == ("inner", run_id)
        assert lens.stop() == 0
        assert lens.rest() == []


def test_an_unknown_run_is_said_at_once(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "first")
    done = refused(tmp_path, "--run", "nope")
    assert done.returncode == 1
    assert "No run 'nope' here." in done.stderr


def test_a_reader_that_goes_away_ends_it_though_nothing_happens(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "first")
    process = subprocess.Popen(
        [LENS, "tail"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 141


def test_a_narrow_dumb_terminal_has_short_plain_lines(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "a rather long name for a span")
    with Lens("tail", "--since", "1h", cwd=tmp_path, columns=40, TERM="dumb") as lens:
        _, *lines = lens.until("a rat")
        assert all(line.isascii() and len(line) <= 40 for line in lines)
        assert lines[-1].endswith("...pan")
        assert lens.stop() == 0


def test_no_colour_where_none_is_wanted(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "work")
    terminal = {"TERM": "xterm-256color", "columns": 100}
    with Lens("tail", "--since", "1h", cwd=tmp_path, **terminal) as lens:  # type: ignore[arg-type]
        assert "\x1b[" in lens.until("work")[-1]
    with Lens("tail", "--since", "1h", cwd=tmp_path, NO_COLOR="1", **terminal) as lens:  # type: ignore[arg-type]
        assert "\x1b[" not in "".join(lens.until("work"))


def test_a_foreign_database_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    (tmp_path / "flujo_otel.db").write_bytes(b"not a database at all" * 99)
    done = refused(tmp_path)
    assert done.returncode == 3
    assert "is not a SQLite database" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")
def test_what_happened_while_it_was_stopped_is_told_after(tmp_path: Path) -> None:
    work_to_the_end(tmp_path, "first")
    with Lens("tail", "--json", "--since", "1h", cwd=tmp_path) as lens:
        followed(lens, "ended", "first")
        lens.process.send_signal(signal.SIGSTOP)
        work_to_the_end(tmp_path, "second")
        lens.process.send_signal(signal.SIGCONT)
        followed(lens, "ended", "second")
        assert lens.stop() == 0
