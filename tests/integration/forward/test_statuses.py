"""OTLP/HTTP: what each answer of a backend does to the spans that were sent."""

import re
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from flujo_otel.forward import dispatch
from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.spanstore.destinations import CursorState
from integration.forward.conftest import cursor
from support.backends import (
    HttpBackend,
    dripping,
    hang_up,
    huge,
    ok,
    partial,
    slow,
    status,
    status_message,
    take_and_hang_up,
    wait_until,
)
from support.sent_spans import names, some, store

Deliver = Callable[[str], Dispatch]


def work_until(one: Dispatch, condition: Callable[[], bool], what: str) -> None:
    def step() -> bool:
        one.work()
        return condition()

    wait_until(step, what)


def test_what_is_stored_arrives_below_its_resource_and_scope(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(3))
    one.work()
    [request] = backend.taken.requests
    [resource_spans] = request.resource_spans
    [scope_spans] = resource_spans.scope_spans
    assert "shop" == resource_spans.resource.attributes[0].value.string_value
    assert "https://r.test/1" == resource_spans.schema_url
    assert ("library", "1.0") == (scope_spans.scope.name, scope_spans.scope.version)
    assert names(3) == backend.taken.names
    assert ["/v1/traces"] == backend.paths
    assert "application/x-protobuf" == backend.taken.headers[0]["content-type"]


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_an_overloaded_backend_is_asked_again(
    db: Path, backend: HttpBackend, deliver: Deliver, code: int
) -> None:
    one = deliver(backend.url)
    store(db, *some(3))
    backend.replies.append(status(code, "too busy"))
    one.work()
    assert CursorState.RETRYING is cursor(db).state
    assert f"{code}" in cursor(db).error and "too busy" in cursor(db).error
    assert (0, 0) == (cursor(db).sent, cursor(db).rejected)
    work_until(one, lambda: cursor(db).sent == 3, "all sent")
    assert names(3) == backend.taken.names
    assert CursorState.OK is cursor(db).state


@pytest.mark.parametrize("code", [401, 403, 404, 405, 402, 408, 415, 451, 500, 501, 505])
def test_a_backend_that_has_to_be_set_right_pauses_the_destination_and_keeps_its_position(
    db: Path, backend: HttpBackend, deliver: Deliver, code: int
) -> None:
    one = deliver(backend.url)
    store(db, *some(3))
    before = cursor(db).position
    backend.replies.append(status(code, "not like this"))
    began = time.monotonic()
    one.work()
    pause_seconds = dispatch.PAUSE_SECONDS  # type: ignore[attr-defined]
    assert one._not_before_monotonic_seconds >= began + pause_seconds
    assert CursorState.PAUSED is cursor(db).state
    assert (before, 0, 0) == (cursor(db).position, cursor(db).sent, cursor(db).rejected)
    work_until(one, lambda: cursor(db).sent == 3, "all sent, once it is set right")
    assert names(3) == backend.taken.names


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_no_redirect_is_followed(
    db: Path, backend: HttpBackend, deliver: Deliver, code: int
) -> None:
    elsewhere = HttpBackend()
    try:
        one = deliver(backend.url)
        store(db, *some(1))
        backend.replies.append(status(code, location=f"{elsewhere.url}/v1/traces"))
        one.work()
        assert CursorState.PAUSED is cursor(db).state
        assert elsewhere.url in cursor(db).error
        assert 0 == elsewhere.seen
    finally:
        elsewhere.close()


@pytest.mark.parametrize("code", [400, 422])
def test_bad_data_is_passed_by_and_counted_with_the_backends_words(
    db: Path, backend: HttpBackend, deliver: Deliver, code: int
) -> None:
    one = deliver(backend.url)
    store(db, *some(3))
    backend.replies.append(status_message(code, "no such thing"))
    one.work()
    assert (0, 3) == (cursor(db).sent, cursor(db).rejected)
    assert "no such thing" in cursor(db).rejection
    assert 0 == cursor(db).lag
    store(db, *some(1, first=4))
    one.work()
    assert {"span-4": 1} == backend.taken.names


def test_what_a_partial_success_rejects_is_counted_and_never_sent_again(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(5))
    backend.replies.append(partial(2, "two are too old"))
    one.work()
    one.work()
    assert (3, 2, "two are too old") == (
        cursor(db).sent,
        cursor(db).rejected,
        cursor(db).rejection,
    )
    assert 1 == backend.seen


def test_a_partial_success_that_rejects_nothing_is_a_warning_at_most(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(2))
    backend.replies.append(partial(0, "please upgrade"))
    one.work()
    assert (2, 0) == (cursor(db).sent, cursor(db).rejected)


def test_a_partial_success_that_rejects_more_than_was_sent_is_not_believed(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(2))
    backend.replies.append(partial(1 << 40, "all of them"))
    one.work()
    assert (0, 2) == (cursor(db).sent, cursor(db).rejected)


def test_a_batch_that_is_too_large_is_split_and_nothing_of_it_lost(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    backend.most_spans = 7
    one = deliver(backend.url)
    store(db, *some(100))
    work_until(one, lambda: cursor(db).sent == 100, "all sent")
    assert names(100) == backend.taken.names
    assert 0 == cursor(db).rejected


def test_a_single_span_that_is_too_large_is_passed_by_and_counted(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    def refuses_the_large(handler: object) -> None:
        request = handler.request_message  # type: ignore[attr-defined]
        if request.ByteSize() > 5000:
            status(413, "one MiB at most")(handler)  # type: ignore[arg-type]
        else:
            ok(handler)  # type: ignore[arg-type]

    backend.otherwise = refuses_the_large
    one = deliver(backend.url)
    large = some(1, first=3, attributes='{"text":"' + "x" * 9000 + '"}')
    store(db, *some(2), *large, *some(2, first=4))
    work_until(one, lambda: cursor(db).lag == 0, "all settled")
    assert (4, 1) == (cursor(db).sent, cursor(db).rejected)
    assert "one MiB at most" in cursor(db).rejection
    assert {"span-1", "span-2", "span-4", "span-5"} == set(backend.taken.names)


def test_what_was_settled_of_a_split_batch_is_not_sent_again_after_an_error(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(4))
    backend.replies += [status(413), ok, status(503)]
    one.work()
    assert 2 == cursor(db).sent
    work_until(one, lambda: cursor(db).sent == 4, "all sent")
    assert names(4) == backend.taken.names


@pytest.mark.parametrize(
    "value", ["3600", formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_is_honoured(
    db: Path, backend: HttpBackend, deliver: Deliver, value: str
) -> None:
    one = deliver(backend.url)
    store(db, *some(1))
    backend.replies.append(status(503, retry_after=value))
    one.work()
    # Far beyond our own longest wait (0.05 s here).
    assert one._not_before_monotonic_seconds - time.monotonic() > 60
    one.work()
    assert 1 == backend.seen
    said = re.search(r"it asks to be left alone for (\d+) s", cursor(db).error)
    assert said is not None and 60 < int(said[1]) <= 3600


@pytest.mark.parametrize("value", ["soon", "-1", "1e9", "", "9" * 400, "Mon, 99 Foo"])
def test_a_retry_after_that_says_nothing_is_no_fault(
    db: Path, backend: HttpBackend, deliver: Deliver, value: str
) -> None:
    one = deliver(backend.url)
    store(db, *some(1))
    backend.replies.append(status(503, retry_after=value))
    one.work()
    assert one._not_before_monotonic_seconds - time.monotonic() <= 3600


@pytest.mark.parametrize("reply", [hang_up, take_and_hang_up], ids=["unread", "taken"])
def test_a_connection_that_breaks_is_tried_again(
    db: Path, backend: HttpBackend, deliver: Deliver, reply: Callable[..., None]
) -> None:
    one = deliver(backend.url)
    store(db, *some(3))
    backend.replies.append(reply)
    work_until(one, lambda: cursor(db).sent == 3, "all sent")
    assert set(names(3)) == set(backend.taken.names)


def test_a_backend_that_is_away_is_told_of_in_words(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(1))
    backend.kill()
    one.work()
    told = cursor(db).error
    assert told.startswith("Failed to establish a new connection: ") and "refused" in told


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            dripping(b"", b"", 0),
            "Connection aborted. Remote end closed connection without response",
        ),
        (
            dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nab", b"", 0),
            "Connection broken: IncompleteRead(2 bytes read, 98 more expected)",
        ),
        (slow(1.0), "Read timed out."),
    ],
    ids=["none", "half", "late"],
)
def test_an_answer_that_does_not_come_is_told_of_in_words(
    db: Path, backend: HttpBackend, reply: Callable[..., None], words: str
) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.slow]\nendpoint = "{backend.url}"\ntimeout_seconds = 0.5\n'
    )
    one = _dispatch("slow", db)
    one.work()
    store(db, *some(1))
    backend.replies.append(reply)
    one.work()
    assert words == cursor(db).error
    one.finish()


def test_no_answer_in_time_is_tried_again(db: Path, backend: HttpBackend) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.slow]\nendpoint = "{backend.url}"\ntimeout_seconds = 0.2\n'
    )
    one = _dispatch("slow", db)
    one.work()
    store(db, *some(1))
    backend.replies.append(slow(1.0))
    one.work()
    assert CursorState.RETRYING is cursor(db).state
    work_until(one, lambda: cursor(db).sent == 1, "sent")
    one.finish()


def _dispatch(word: str, db: Path) -> Dispatch:
    from flujo_otel.forward.choice import destinations
    from flujo_otel.settings import load
    from flujo_otel.spanstore.factory import open_destinations

    [destination] = destinations([word], load(db=str(db)))
    return Dispatch(destination, open_destinations(db))


@pytest.mark.parametrize(
    ("begun", "dripped"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"x"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"\0"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["status line", "head", "body", "chunk"],
)
def test_an_answer_that_drips_is_waited_for_no_longer_than_any_other(
    db: Path, backend: HttpBackend, begun: bytes, dripped: bytes
) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.slow]\nendpoint = "{backend.url}"\ntimeout_seconds = 0.2\n'
    )
    one = _dispatch("slow", db)
    one.work()
    store(db, *some(1))
    backend.replies.append(dripping(begun, dripped, 60.0))
    began = time.monotonic()
    one.work()
    assert 0.1 < time.monotonic() - began < 50.0
    assert CursorState.RETRYING is cursor(db).state
    work_until(one, lambda: cursor(db).sent == 1, "sent")
    one.finish()


@pytest.mark.parametrize("code", [200, 400, 503])
def test_an_endless_answer_is_cut_off(
    db: Path, backend: HttpBackend, deliver: Deliver, code: int
) -> None:
    one = deliver(backend.url)
    store(db, *some(1))
    backend.replies.append(huge(code))
    one.work()
    words = cursor(db).error or cursor(db).rejection
    assert len(words) <= 300
    work_until(one, lambda: cursor(db).lag == 0, "settled")


@pytest.mark.parametrize("body", [b"ok", b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x7f", b"{}"])
def test_an_answer_that_is_no_protobuf_message_is_a_yes_all_the_same(
    db: Path, backend: HttpBackend, deliver: Deliver, body: bytes
) -> None:
    one = deliver(backend.url)
    store(db, *some(1))
    backend.replies.append(lambda handler: handler.answer(200, body))
    one.work()
    assert (1, 0) == (cursor(db).sent, cursor(db).rejected)


def test_a_partial_success_in_json_is_understood(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(3))
    body = b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}'
    backend.replies.append(lambda handler: handler.answer(200, body, "application/json"))
    one.work()
    assert (1, 2, "no") == (cursor(db).sent, cursor(db).rejected, cursor(db).rejection)


def test_the_backends_words_are_shown_on_one_line_without_terminal_codes(
    db: Path, backend: HttpBackend, deliver: Deliver
) -> None:
    one = deliver(backend.url)
    store(db, *some(1))
    backend.replies.append(status(400, "\x1b[31mred\x00\n\nlines" + "x" * 1000))
    one.work()
    assert cursor(db).rejection.isprintable()
    assert "red lines" in cursor(db).rejection
    assert len(cursor(db).rejection) <= 300


def test_headers_and_compression_are_sent(db: Path, backend: HttpBackend) -> None:
    (db.parent / "flujo.toml").write_text(
        f'[forward.zipped]\nendpoint = "{backend.url}/base"\ncompression = "gzip"\n'
        'headers = { "X-Key" = "s3cr3t-key" }\n'
    )
    one = _dispatch("zipped", db)
    one.work()
    store(db, *some(2))
    one.work()
    one.finish()
    assert names(2) == backend.taken.names
    assert "s3cr3t-key" == backend.taken.headers[0]["x-key"]
    assert "gzip" == backend.taken.headers[0]["content-encoding"]
    assert ["/base/v1/traces"] == backend.paths
    assert b"s3cr3t" not in b"".join(file.read_bytes() for file in db.parent.glob("spans.db*"))
