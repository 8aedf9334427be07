"""The sockets to listen on."""

import asyncio
import socket

import pytest

from flujo_otel.collector.ports import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_answer_is_sent_at_once(host: str) -> None:
    """Not held back until the client has acknowledged what was written before it."""

    async def is_undelayed(opened: socket.socket) -> bool:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            given = writer.get_extra_info("socket")
            accepted.set_result(given.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(answer, sock=opened):
            _, writer = await asyncio.open_connection(*opened.getsockname()[:2])
            undelayed = await asyncio.wait_for(accepted, 10)
            writer.close()
            await writer.wait_closed()
            return bool(undelayed)

    for opened in listen(host, 0):
        assert asyncio.run(is_undelayed(opened))
