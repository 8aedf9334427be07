"""The ASGI application, asked without a server."""

import asyncio
import json
import threading
from concurrent.futures import Future
from typing import Any

from flujo_otel.collector.access import Access
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.otlp_http import HttpReceiver
from flujo_otel.collector.reception import Reception
from flujo_otel.wire.partial_success import PartialSuccess
from support.collector import PROTOBUF, in_protobuf, numbered

SOON = 20.0


async def get(receiver: HttpReceiver, path: str) -> tuple[int, bytes]:
    """Status and body."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise NotImplementedError

    headers = [(b"host", b"localhost")]
    await receiver({"method": "GET", "path": path, "headers": headers}, receive, send)
    start, body = sent
    return start["status"], body["body"]


def test_while_a_health_check_waits_for_the_database_others_are_answered() -> None:
    answered = threading.Event()

    def health(_: bool) -> dict[str, Any]:
        return {"state": "ok", "others_were_answered": answered.wait(SOON)}

    async def both() -> Any:
        access = Access("127.0.0.1", token="secret")
        receiver = HttpReceiver(Refusing(), access, Deadlines(1.0), health)  # type: ignore[arg-type]
        asking = asyncio.create_task(get(receiver, "/healthz"))
        await asyncio.sleep(0)
        status, _ = await get(receiver, "/v1/traces")
        answered.set()
        return status, await asking

    status, (health_status, body) = asyncio.run(both())
    assert (401, 200) == (status, health_status)
    assert json.loads(body)["others_were_answered"]


class Refusing:
    """A reception's answer to whoever has no token."""

    def refuse(self, error: Exception, signal: Any) -> Any:
        from flujo_otel.collector.answers import status_of

        return status_of(error)


class NeverDone:
    """A commit that has not written anything by the time that the server ends."""

    def __init__(self) -> None:
        self.submitted = asyncio.Event()

    def submit(self, *_: Any) -> Future[PartialSuccess]:
        self.submitted.set()
        return Future()

    def count_losses(self, losses: Any) -> None:
        raise AssertionError("the client sends it again")


def test_a_request_that_is_cut_off_by_the_end_of_the_server_is_503() -> None:
    """uvicorn cancels what is not answered in time, and would say 500: clients drop spans on it."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        body = in_protobuf(numbered("late", 1))
        return {"type": "http.request", "body": body, "more_body": False}

    async def main() -> None:
        commit = NeverDone()
        reception = Reception(commit, None, 1 << 20)  # type: ignore[arg-type]
        receiver = HttpReceiver(reception, Access("127.0.0.1"), Deadlines(SOON), lambda _: {})
        headers = [(b"host", b"localhost"), (b"content-type", PROTOBUF.encode())]
        scope = {"method": "POST", "path": "/v1/traces", "headers": headers}
        asking = asyncio.create_task(receiver(scope, receive, send))
        await commit.submitted.wait()
        asking.cancel()
        await asyncio.wait([asking])

    asyncio.run(main())
    start, body = sent
    assert 503 == start["status"]
    assert {b"content-type": PROTOBUF.encode(), b"retry-after": b"1"}.items() <= (
        dict(start["headers"]).items()
    )
    assert b"The server stops" in body["body"]
