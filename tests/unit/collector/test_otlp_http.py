"""The ASGI application, asked without a server."""

import asyncio
import json
import threading
from typing import Any

from flujo_otel.collector.access import Access
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.otlp_http import HttpReceiver

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

    def verdict(self, error: Exception, signal: Any) -> Any:
        from flujo_otel.collector.answers import verdict

        return verdict(error)
