"""Submission to another machine: to `lens serve` by OTLP, to others as the seed has it."""

import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flujo_otel import Trace, XRay
from flujo_otel.storage.sqlite import SQLiteStorage
from flujo_otel.xray.remote_sender import RemoteSender
from flujo_otel.xray.submission import Submission
from support.collector import collector
from support.programs import losses, run

IMPORTS = "import os, sys, time\nfrom flujo_otel import XRay\n"
PATIENT = (
    IMPORTS + "import flujo_otel.xray.submission\nflujo_otel.xray.submission.EXIT_SECONDS = 60\n"
)
"""However slow the machine is, what can be sent is before the program ends."""


class Server:
    """Answers POSTs as it is told, and keeps them."""

    def __init__(self, answer: Callable[[str, int], tuple[int, bytes]]) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        seen = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {key.lower(): value for key, value in self.headers.items()}
                seen.append((self.path, headers, body))
                status, said = answer(self.path, len(seen))
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                return

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def server(answer: Callable[[str, int], tuple[int, bytes]]) -> Iterator[Server]:
    running = Server(answer)
    try:
        yield running
    finally:
        running.stop()


def seed_s(path: str, _: int) -> tuple[int, bytes]:
    """A FastAPI program with the seed's one route."""
    return (
        (200, b'{"trace_id": "x"}') if path == "/api/traces" else (404, b'{"detail":"Not Found"}')
    )


def decide(xray: XRay, name: str = "workflow") -> Trace:
    with xray.trace(name) as trace:
        trace.set_metadata({"tenant": "acme"})
        with trace.step("one") as step:
            step.set_input({"query": "q", "password": "hunter2-hunter2"})
            step.add_evaluation("i", {}, [], True)
            with step.step("two"):
                pass
    return trace.trace


def test_lens_serve_gets_it_by_otlp(tmp_path: Path) -> None:
    with collector(tmp_path / "remote.db", token="sesame") as there:
        xray = XRay(remote_url=f"http://127.0.0.1:{there.http_port}", token="sesame")
        trace = decide(xray)
        xray.close()
        kept = SQLiteStorage(there.db).get_trace(trace.trace_id)
    assert kept is not None
    assert [0, 1] == [step.step_order for step in kept.steps]
    assert "[REDACTED]" == kept.steps[0].input.pop("password")
    assert "hunter2-hunter2" == trace.steps[0].input.pop("password")
    assert trace == kept


def test_another_gets_the_seed_s_request(tmp_path: Path) -> None:
    with server(seed_s) as there:
        xray = XRay(remote_url=there.url, token="sesame")
        trace = decide(xray)
        decide(xray, "again")
        xray.close()
    paths = [path for path, _, _ in there.requests]
    assert ["/v1/traces", "/api/traces", "/api/traces"] == paths
    _, headers, body = there.requests[1]
    assert ("Bearer sesame", "application/json") == (
        headers["authorization"],
        headers["content-type"],
    )
    sent = Trace.model_validate_json(body)
    assert sent.start_time.utcoffset() is not None
    assert trace.start_time.astimezone() == sent.start_time
    assert b"hunter2" not in body
    assert (["one", "two"], {"tenant": "acme"}) == (
        [step.name for step in sent.steps],
        sent.metadata,
    )
    assert list(Trace.model_fields) == list(json.loads(body))


def test_one_that_is_busy_is_tried_again() -> None:
    def busy(path: str, number: int) -> tuple[int, bytes]:
        return (503, b"") if number <= 2 else (200, b"")

    with server(busy) as there:
        xray = XRay(remote_url=there.url)
        decide(xray)
        xray.close()
        assert 3 == len(there.requests)
    assert 1 == len({body for _, _, body in there.requests})


def test_a_trace_never_waits_for_the_receiver() -> None:
    may_answer = threading.Event()
    with server(lambda path, number: (may_answer.wait(60), (200, b""))[1]) as there:
        xray = XRay(remote_url=there.url)
        for number in range(20):
            decide(xray, f"trace {number}")
        assert len(there.requests) <= 1
        may_answer.set()
        xray.close()
        assert 20 == len(there.requests)


def test_what_finds_no_room_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, str, int]] = []
    from flujo_otel import host
    from flujo_otel.xray import submission

    class Counting:
        def ensure(self) -> None: ...
        def flush(self, timeout_seconds: float) -> bool:
            return True

        def count_loss(self, reason: str, detail: str, count: int) -> None:
            counted.append((reason, detail, count))

        def at_exit(self, finish: Callable[[], None]) -> None: ...

    monkeypatch.setattr(host, "_host", Counting())
    from flujo_otel.storage.trace_spans import trace_record

    small = Submission(lambda: RemoteSender("http://127.0.0.1:9", None), queue_bytes=3000)
    record = trace_record(Trace(status="completed"))
    assert [True, True, False] == [small.put([record]) for _ in range(3)]
    assert [("not_submitted", "no room while the receiver did not answer", 1)] == counted
    assert submission.QUEUE_BYTES >= 1 << 20


def test_the_end_of_the_process_sends_what_is_left(tmp_path: Path) -> None:
    with server(lambda path, number: (200, b"")) as there:
        program = f"""
        xray = XRay(remote_url={there.url!r})
        for number in range(10):
            with xray.trace("workflow"):
                pass
        """
        assert ("", "") == run(tmp_path / "own.db", program, prelude=PATIENT)
        assert 10 == len(there.requests)
    assert not (tmp_path / "own.db").exists()


def test_what_could_not_be_sent_by_then_is_said_and_counted(tmp_path: Path) -> None:
    program = """
    xray = XRay(remote_url="http://127.0.0.1:9")
    for number in range(3):
        with xray.trace("workflow"):
            pass
    """
    _, errors = run(tmp_path / "own.db", program, prelude=IMPORTS)
    assert "3 X-Ray traces not submitted" in errors
    assert {"not_submitted": 3} == losses(tmp_path / "own.db")


def test_a_forked_child_sends_its_own_and_no_other(tmp_path: Path) -> None:
    with server(lambda path, number: (200, b"")) as there:
        program = f"""
        import multiprocessing
        xray = XRay(remote_url={there.url!r})

        def work():
            with xray.trace("child"):
                pass

        with xray.trace("parent"):
            pass
        xray.close()
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
        """
        assert ("", "") == run(tmp_path / "own.db", program, prelude=PATIENT)
        names = sorted(
            name for name in ("child", "parent") for _, _, b in there.requests if name.encode() in b
        )
    assert ["child", "parent"] == names


def test_refused_data_is_counted_and_does_not_stop_the_next(tmp_path: Path) -> None:
    def picky(path: str, number: int) -> tuple[int, bytes]:
        return (400, b"no") if number == 1 else (200, b"")

    with server(picky) as there:
        program = f"""
        xray = XRay(remote_url={there.url!r})
        for number in range(2):
            with xray.trace("workflow"):
                pass
        """
        _, errors = run(tmp_path / "own.db", program, prelude=PATIENT)
        assert 2 == len(there.requests)
    assert "400" in errors
    assert {"not_submitted": 1} == losses(tmp_path / "own.db")


def test_sampling_holds_for_what_is_submitted() -> None:
    with server(lambda path, number: (200, b"")) as there:
        xray = XRay(remote_url=there.url, sampling_rate=0.0)
        decide(xray)
        with pytest.raises(ValueError), xray.trace("bad"):
            raise ValueError("x")
        xray.close()
    assert [b"bad"] == [name for _, _, body in there.requests for name in (b"bad",) if name in body]
    assert 1 == len(there.requests)
