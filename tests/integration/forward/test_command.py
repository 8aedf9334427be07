"""lens forward: sends what is stored, and says how forwarding goes."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.forward import transfer
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.settings import load
from flujo_otel.spanstore.factory import open_destinations
from flujo_otel_cli.command_line import call
from support.backends import GrpcBackend, HttpBackend, ok, partial, slow, status
from support.lens import Lens
from support.sent_spans import ended, names, some, store

OTHER_TRACE = "f" * 32
SOON_SECONDS = 2.0


@pytest.fixture(autouse=True)
def brief_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PATIENCE_SECONDS", 0.3)


def lens(db: Path, *arguments: str) -> int:
    return call(["forward", *arguments, "--db", str(db)])


def test_everything_that_is_stored_and_has_ended_is_sent(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    store(db, *some(2500), ended(9000, status="running"))
    assert 0 == lens(db, "--to", backend.url)
    assert names(2500) == backend.taken.names
    assert f"2,500 spans sent to {backend.url}" in capsys.readouterr().out
    # It is no destination: nothing goes there by itself from now on.
    with closing(open_destinations(db)) as known:
        assert [] == list(known.cursors())


def test_over_grpc(db: Path, grpc_backend: GrpcBackend) -> None:
    store(db, *some(20))
    assert 0 == lens(db, "--to", grpc_backend.url)
    assert names(20) == grpc_backend.taken.names


def test_one_run(db: Path, backend: HttpBackend) -> None:
    store(db, *some(3, run_id="mine"), *some(3, first=10, trace_id=OTHER_TRACE))
    assert 0 == lens(db, "--to", backend.url, "--run", "min")
    assert names(3) == backend.taken.names
    assert 1 == lens(db, "--to", backend.url, "--run", "nowhere")


def on_a_terminal(db: Path, backend: HttpBackend, seen: Callable[[bytes], object]) -> bytes:
    """What `lens forward --to` shows on one; `seen` gets all of it, each time there is more."""
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "flujo_otel_cli.main", "forward", "--to", backend.url]
    process = subprocess.Popen([*command, "--db", str(db)], stderr=terminal)
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # what reading gives once nobody has the other end
        while part := os.read(screen, 4096):
            shown += part
            seen(shown)
    os.close(screen)
    assert 0 == process.wait(), shown
    assert shown.endswith(b"\r\x1b[K")
    return shown


def test_a_terminal_sees_how_far_it_is(db: Path, backend: HttpBackend) -> None:
    store(db, *some(2500))
    backend.otherwise = slow(0.2)
    shown = on_a_terminal(db, backend, lambda _: None)
    assert b"0 of 2,500 spans" in shown
    assert b"1,000 of 2,500 spans" in shown


def test_a_terminal_sees_what_it_waits_for(db: Path, backend: HttpBackend) -> None:
    store(db, *some(5))
    backend.kill()
    revived = []

    def revive(shown: bytes) -> None:
        if b"refused" in shown and not revived:
            revived.append(backend.revive())

    shown = on_a_terminal(db, backend, revive)
    assert b"0 of 5 spans; waits: Failed to establish a new connection" in shown
    assert names(5) == backend.taken.names


def test_ids_that_are_no_otel_ids_become_fixed_ones(db: Path, backend: HttpBackend) -> None:
    ids = {"trace_id": "run-1", "otel_span_id": "test-123", "otel_parent_id": None}
    child = {"trace_id": "run-1", "otel_span_id": "test-124", "otel_parent_id": "test-123"}
    store(db, ended(1, **ids), ended(2, **child))
    assert 0 == lens(db, "--to", backend.url)
    assert 0 == lens(db, "--to", backend.url)
    first, second, *again = backend.taken.spans
    assert [first, second] == again
    assert (16, 8, 8) == (len(first.trace_id), len(first.span_id), len(second.span_id))
    assert (first.trace_id, first.span_id) == (second.trace_id, second.parent_span_id)


def test_since_a_time(db: Path, backend: HttpBackend) -> None:
    store(db, *some(3, start_time_ns=1_700_000_000_000_000_000), *some(2, first=10))
    assert 0 == lens(db, "--to", backend.url, "--since", "1h")
    assert names(2, first=10) == backend.taken.names


def test_a_name_and_its_filter(db: Path, backend: HttpBackend) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.here]\nendpoint = "{backend.url}"\nfilter = {{ names = ["span-2"] }}\n'
    )
    store(db, *some(3))
    assert 0 == lens(db, "--to", "here")
    assert {"span-2": 1} == backend.taken.names


def test_json(db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]) -> None:
    store(db, *some(3))
    assert 0 == lens(db, "--to", backend.url, "--json")
    assert {
        "to": f"{backend.url}/v1/traces",
        "total": 3,
        "sent": 3,
        "rejected": 0,
        "rejection": "",
    } == json.loads(capsys.readouterr().out)


def test_an_overloaded_backend_is_waited_for(db: Path, backend: HttpBackend) -> None:
    store(db, *some(3))
    backend.replies += [status(503), status(413), ok, status(429)]
    assert 0 == lens(db, "--to", backend.url)
    assert names(3) == backend.taken.names


def test_rejected_spans_are_told_with_the_backends_words(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    store(db, *some(3))
    backend.replies.append(partial(2, "too old"))
    assert 4 == lens(db, "--to", backend.url)
    assert "1 span sent" in (said := capsys.readouterr().err)
    assert "rejected 2: too old" in said


@pytest.mark.parametrize("answer", [status(401, "who are you"), status(503, "who are you")])
def test_a_backend_that_does_not_take_it(
    db: Path, backend: HttpBackend, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    store(db, *some(2500))
    backend.replies.append(ok)
    backend.otherwise = answer
    assert 4 == lens(db, "--to", backend.url, "--json")
    error = json.loads(capsys.readouterr().out)["error"]
    assert ("not_sent", 1000, 2500) == (error["code"], error["sent"], error["total"])
    assert "who are you" in error["message"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which has its jobs ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_what_was_sent_before_ctrl_c_is_told(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupting(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return slow(SOON_SECONDS)(*given)

    store(db, *some(2500))
    backend.replies += [ok, interrupting]
    assert 130 == lens(db, "--to", backend.url, "--json")
    error = json.loads(capsys.readouterr().out)["error"]
    assert ("interrupted", 1000, 2500) == (error["code"], error["sent"], error["total"])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--to", "http://h:1", "--status"),
        ("--to", "http://h:1", "--forget", "h"),
        ("--status", "--forget", "h"),
        ("--forget", "h", "--run", "last"),
        ("--to", "nonsense"),
        ("--to", "http://h:1", "--run", "last", "--since", "1h"),
        ("--to", "http://h:1", "--since", "soon"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(db: Path, arguments: tuple[str, ...]) -> None:
    store(db, *some(1))
    assert 2 == lens(db, *arguments)


def test_no_database(db: Path) -> None:
    assert 3 == lens(db, "--status")
    assert 3 == lens(db, "--to", "http://h:1")


def test_status_without_destinations(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(db, *some(1))
    assert 0 == lens(db, "--status")
    out = capsys.readouterr().out
    assert "No standing destination" in out and "lens serve --forward" in out


def test_status(
    db: Path,
    backend: HttpBackend,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    refusing, dead = HttpBackend(), HttpBackend()
    refusing.otherwise = status(401, "who are you?")
    dead.kill()
    backend.replies.append(partial(2, "too old"))
    urls = [backend.url, refusing.url, dead.url]
    each = [Dispatch(one, open_destinations(db)) for one in destinations(urls, load(db=str(db)))]
    for one in each:
        one.work()
    store(db, *some(5))
    for one in each:
        one.work()
    for one in each[1:]:
        one.finish()
    assert 0 == lens(db, "--status")
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert ["✔", "up", "to", "date", "0", "3", "2"] == lines[backend.url].split()[1:8]
    assert ["✘", "paused", "5", "0", "0"] == lines[refusing.url].split()[1:6]
    assert ["!", "nobody", "sends", "5", "0", "0"] == lines[dead.url].split()[1:7]
    assert "rejected spans 0 s ago: too old" in out
    assert "401 Unauthorized who are you?" in out
    assert "Connection refused" in out

    assert 0 == lens(db, "--status", "--json")
    shown = json.loads(capsys.readouterr().out)["destinations"]
    facts = {(d["destination"], d["state"], d["lag"], d["sent"], d["rejected"]) for d in shown}
    assert {
        (backend.url, "ok", 0, 3, 2),
        (refusing.url, "paused", 5, 0, 0),
        (dead.url, "retrying", 5, 0, 0),
    } == facts
    each[0].finish()
    refusing.close()


def test_status_on_a_narrow_terminal_says_why_in_full(db: Path) -> None:
    dead = HttpBackend()
    dead.kill()
    [destination] = destinations([dead.url], load(db=str(db)))
    one = Dispatch(destination, open_destinations(db))
    one.work()
    store(db, *some(5))
    one.work()
    one.finish()
    plain = {"FLUJO_OTEL_DB": str(db), "NO_COLOR": "1"}
    with Lens("forward", "--status", cwd=db.parent, columns=40, **plain) as narrow:
        heading, row, *notes = narrow.rest()
    assert ["DESTINATION", "STATE", "WAITING"] == heading.split()
    assert row.startswith("http://127.") and row.endswith("nobody sends        5")
    assert all(len(line) <= 40 for line in notes)
    assert "Connection refused ! " in " ".join(" ".join(notes).split())


def test_the_command_that_begins_forwarding_is_whole_and_names_the_database(db: Path) -> None:
    store(db, *some(1))
    named = ("--db", str(db))
    with Lens("forward", "--status", *named, cwd=db.parent, columns=40, NO_COLOR="1") as narrow:
        *said, command = narrow.rest()
    assert " ".join(" ".join(said).split()).endswith("is not kept account of.")
    assert f"Forward:  lens serve --forward http://host:4318 --db {db}" == command


def known(db: Path) -> list[str]:
    with closing(open_destinations(db, read_only=True)) as cursors:
        return [each.destination for each in cursors.cursors()]


def test_a_destination_that_is_no_longer_used_is_forgotten(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    other = HttpBackend()
    for url in (backend.url, other.url):
        [destination] = destinations([url], load(db=str(db)))
        one = Dispatch(destination, open_destinations(db))
        one.work()
        store(db, *some(3))
        one.work()
        one.finish()
    store(db, *some(2, first=4))
    assert 0 == lens(db, "--forget", backend.url)
    assert f"{backend.url} is forgotten: 3 sent, 5 not sent" in capsys.readouterr().out
    assert [other.url] == known(db)
    assert 0 == lens(db, "--forget", other.url, "--json")
    dropped = json.loads(capsys.readouterr().out)["forgotten"]
    assert (other.url, 2) == (dropped["destination"], dropped["lag"])
    assert [] == known(db)
    other.close()


def test_a_destination_that_there_is_none_of_is_not_found(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Dispatch(destinations([backend.url], load(db=str(db)))[0], open_destinations(db))
    one.work()
    one.finish()
    capsys.readouterr()
    assert 1 == lens(db, "--forget", "nobody", "--json")
    error = json.loads(capsys.readouterr().out)["error"]
    assert ("no_such_destination", [backend.url]) == (error["code"], error["destinations"])
    assert [backend.url] == known(db)


def test_a_destination_that_a_living_process_sends_to_is_not_forgotten(
    db: Path, backend: HttpBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Dispatch(destinations([backend.url], load(db=str(db)))[0], open_destinations(db))
    one.work()
    assert 4 == lens(db, "--forget", backend.url, "--json")
    error = json.loads(capsys.readouterr().out)["error"]
    assert "destination_in_use" == error["code"]
    assert error["holder"].endswith(f" {os.getpid()}")
    assert [backend.url] == known(db)
    one.finish()
    assert 0 == lens(db, "--forget", backend.url)


def test_forgetting_makes_no_database(db: Path) -> None:
    assert 3 == lens(db, "--forget", "nobody")
    assert not db.exists()
