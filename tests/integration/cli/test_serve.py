"""`lens serve` as people and machines start it: what it says, when it ends, and how."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from flujo_otel_cli.neighbour import server_here
from support import programs
from support.lens import LENS, Lens, environment

FREE_PORTS = ("--http-port", "0", "--grpc-port", "0")
TERMINAL = {"TERM": "xterm-256color", "NO_COLOR": "1"}


def serve(folder: Path, *options: str, **more: Any) -> Lens:
    return Lens("serve", *FREE_PORTS, *options, cwd=folder, **more)


def send(url: str, spans: int = 1, **headers: str) -> int:
    """The status of a request with so many spans."""
    sent = [
        {
            "traceId": "0af7651916cd43dd8448eb211c80319c",
            "spanId": f"{number:016x}",
            "name": "sent",
            "kind": 1,
            "startTimeUnixNano": "1700000000000000000",
            "endTimeUnixNano": "1700000001000000000",
        }
        for number in range(1, spans + 1)
    ]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": sent}]}]}
    request = urllib.request.Request(
        f"{url}/v1/traces",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(answer.status)


def refused(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What `lens serve` says where it does not start."""
    return subprocess.run(
        [LENS, "serve", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_machine_gets_a_line_when_it_is_ready_and_one_at_the_end(
    tmp_path: Path, number: int
) -> None:
    with serve(tmp_path, "--json") as lens:
        ready = lens.document()
        assert (ready["event"], ready["state"]) == ("ready", "ok")
        assert ready["database"] == str(tmp_path / "flujo_otel.db")
        assert ready["http"].startswith("http://127.0.0.1:") and not ready["http"].endswith(":0")
        assert send(ready["http"], 3) == 200
        assert lens.stop(number) == 0
        stopped = json.loads(lens.rest()[-1])
        assert (stopped["event"], stopped["all_written"]) == ("stopped", True)
        assert (stopped["received"], stopped["stored"]) == (3, 3)
        assert lens.errors() == ""
    assert programs.names(tmp_path / "flujo_otel.db") == {"sent": 3}


def test_sigint_and_sigterm_at_once_end_it_as_one_of_them_does(tmp_path: Path) -> None:
    with serve(tmp_path) as lens:
        lens.until("See what comes")
        # So that both are there when it looks.
        for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM):
            lens.process.send_signal(number)
        assert lens.stop(signal.SIGCONT) == 0
        assert lens.rest()[-1].startswith("✔ stopped after ")
        assert lens.errors() == ""


def test_one_screen_says_all_that_is_needed_and_a_last_line_sums_up(tmp_path: Path) -> None:
    with serve(tmp_path) as lens:
        screen = lens.until("See what comes")
        assert len(screen) <= 24
        text = "\n".join(screen)
        assert str(tmp_path / "flujo_otel.db") in text
        [url] = {line.split("=")[1] for line in screen if "OTLP_ENDPOINT=" in line}
        assert f"  HTTP      {url}" in screen
        assert send(url) == 200
        assert lens.stop() == 0
        [last] = lens.rest()
        assert last.startswith("✔ stopped after ") and "1 received · 1 stored" in last


def test_the_command_to_copy_names_lens_as_it_was_called(tmp_path: Path) -> None:
    with serve(tmp_path, "--db", "my own.db", PATH="/usr/bin:/bin") as lens:
        assert lens.until("See what comes")[-1].endswith(f"  {LENS} tail --db 'my own.db'")
        assert lens.stop() == 0


@pytest.mark.parametrize(
    ("named", "made"),
    [("a.db", "a new database"), ("typo/dir/a.db", "a new database in a new folder")],
)
def test_the_screen_says_of_a_database_that_it_is_new_the_first_time(
    tmp_path: Path, named: str, made: str
) -> None:
    for expected in ([f"  {'':<10}{made}"], []):
        with serve(tmp_path, "--db", named) as lens:
            screen = lens.until("See what comes")
            assert f"  database  {tmp_path / named}" in screen
            assert expected == [line for line in screen if "a new database" in line]
            assert lens.stop() == 0


def test_the_screen_fits_80_columns(tmp_path: Path) -> None:
    options = ("--forward", "http://127.0.0.1:9", "--db", "a.db")
    with serve(tmp_path, *options) as lens:
        screen = lens.until("See what comes")
        fixed = [line for line in screen if "database" not in line]  # as long as its path
        assert [line for line in fixed if len(line) > 80] == []
        assert any(line.startswith("  forward   http://127.0.0.1:9") for line in screen)
        assert lens.stop() == 0


def test_on_a_terminal_a_line_of_counts_is_drawn_over(tmp_path: Path) -> None:
    with serve(tmp_path, columns=100, **TERMINAL) as lens:
        screen = lens.until("See what comes")
        [url] = {line.split("=")[1] for line in screen if "OTLP_ENDPOINT=" in line}
        assert send(url, 5) == 200
        assert lens.stop() == 0
        drawn = "".join(lens.rest())
        assert "\r\x1b[K" in drawn and "5 received · 5 stored" in drawn


def test_a_pipe_has_no_escapes(tmp_path: Path) -> None:
    with serve(tmp_path) as lens:
        lens.until("See what comes")
        assert lens.stop() == 0
        assert "\x1b" not in "".join(lens.rest())


def test_a_destination_that_is_away_is_on_the_line(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        backend = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with serve(tmp_path, "--forward", backend, columns=160, **TERMINAL) as lens:
        screen = lens.until("See what comes")
        [url] = {line.split("=")[1] for line in screen if "OTLP_ENDPOINT=" in line}
        assert send(url, 2) == 200
        done = subprocess.run(
            [LENS, "doctor", "--json"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            check=False,
        )
        [destination] = json.loads(done.stdout)["destinations"]
        assert destination["destination"] == backend
        assert lens.stop() == 0
        last = lens.rest()[-1]
        assert f"0 sent to {backend}" in last and f"2 still waiting for {backend}" in last


def test_a_taken_port_says_by_whom(tmp_path: Path) -> None:
    with serve(tmp_path, "--json") as first:
        ready = first.document()
        port = ready["http"].rpartition(":")[2]
        second = refused(tmp_path, "--http-port", port, "--grpc-port", "0")
        assert (second.returncode, second.stdout) == (5, "")
        assert f"(process {first.process.pid}) on this same database" in second.stderr
        other = refused(tmp_path, "--http-port", port, "--grpc-port", "0", "--db", "b.db", "--json")
        error = json.loads(other.stdout)["error"]
        assert (other.returncode, error["code"]) == (5, "port_taken")
        assert "on another database" in error["message"]
        assert first.stop() == 0
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = str(stranger.getsockname()[1])
        done = refused(tmp_path, "--http-port", port, "--grpc-port", "0")
        assert done.returncode == 5
        assert "is taken by another program" in done.stderr


def test_another_address_asks_for_a_token_and_shows_the_one_it_made(tmp_path: Path) -> None:
    with serve(tmp_path, "--host", "0.0.0.0", "--json") as lens:
        ready = lens.document()
        url = ready["http"].replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(urllib.error.HTTPError) as refusal:
            send(url)
        with refusal.value as answer:
            assert answer.code == 401
        assert send(url, Authorization=f"Bearer {ready['token']}") == 200
        assert lens.stop() == 0


def test_a_config_file_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[otel]\ndb = "from_config.db"\n')
    with serve(tmp_path, "--config", "mine.toml", "--json") as lens:
        assert lens.document()["database"] == str(tmp_path / "from_config.db")
        assert lens.stop() == 0
    done = refused(tmp_path, "--config", "nowhere.toml")
    assert done.returncode == 2 and "nowhere.toml cannot be read" in done.stderr


def test_an_unknown_destination_is_a_wrong_setting(tmp_path: Path) -> None:
    done = refused(tmp_path, *FREE_PORTS, "--forward", "tempo")
    assert (done.returncode, "No destination 'tempo'" in done.stderr) == (2, True)


def test_a_missing_extra_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None; from flujo_otel_cli.command_line import call;"
        "sys.exit(call(['serve', '--http-port', '0', '--grpc-port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "pip install 'flujo-otel[collector]'" in done.stderr) == (4, True)


def test_a_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "flujo_otel.db").write_bytes(b"not a database at all" * 99)
    assert refused(tmp_path, *FREE_PORTS).returncode == 3
    assert (tmp_path / "flujo_otel.db").read_bytes() == b"not a database at all" * 99


def test_the_server_is_among_the_writers(tmp_path: Path) -> None:
    with serve(tmp_path, "--json") as lens:
        assert send(lens.document()["http"]) == 200
        done = subprocess.run(
            [LENS, "doctor"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"lens serve (pid {lens.process.pid})" in done.stdout
        assert lens.stop() == 0


def test_doctor_asks_the_server_that_sdks_send_to(tmp_path: Path) -> None:
    with serve(tmp_path, "--json") as lens:
        port = int(lens.document()["http"].rpartition(":")[2])
        said = server_here(port=port)
        assert said is not None
        assert (said["pid"], said["state"]) == (lens.process.pid, "ok")
        assert said["database"] == str(tmp_path / "flujo_otel.db")
        assert lens.stop() == 0
    assert server_here(port=port) is None


@pytest.mark.parametrize(
    ("options", "code"), [(["--forward", "nowhere"], 2), (["--grpc-port", "{taken}"], 5)]
)
def test_nothing_is_left_of_a_start_that_is_refused(
    tmp_path: Path, options: list[str], code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = [option.format(taken=port) for option in options]
        done = subprocess.run(
            [LENS, "serve", "--db", "a.db", "--http-port", "0", *given],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert code == done.returncode
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_it_ends_where_nobody_reads_its_output_any_more(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    ports = ("--http-port", "0", "--grpc-port", "0")
    server = subprocess.Popen(
        [LENS, "serve", *ports, *options],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    server.stdout.readline()
    server.stdout.close()  # as `head -1` does
    assert 141 == server.wait(30)
