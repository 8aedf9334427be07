"""urllib3's connections, with a bound on how long an answer takes as a whole.

Its read timeout is one for each read: a backend that sent a byte every few seconds would hold its
destination for ever.
"""

import io
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def pool_manager(ssl_context: Any) -> urllib3.PoolManager:
    """One connection, which tries nothing again. An answer that is not all there, head and body,
    once the request's total time is up raises urllib3's ReadTimeoutError."""
    manager = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, ssl_context=ssl_context)
    manager.pool_classes_by_scheme = _POOLS
    return manager


class _Answer(HTTPResponse):
    """urllib3 has given the socket what is left of the request's time."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Stream(sock, self.fp.detach()))


class _Stream(io.RawIOBase):
    """What comes over the socket in all the time that it has for one read."""

    def __init__(self, sock: Any, stream: Any) -> None:
        self._sock = sock
        self._stream = stream
        self._deadline_monotonic_seconds = time.monotonic() + sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, into: "WriteableBuffer") -> int | None:
        left_seconds = self._deadline_monotonic_seconds - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError("The answer was not all there in time.")
        self._sock.settimeout(left_seconds)
        count: int | None = self._stream.readinto(into)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _HttpConnection(HTTPConnection):
    response_class = _Answer


class _HttpsConnection(HTTPSConnection):
    response_class = _Answer


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS: Final = {"http": _HttpPool, "https": _HttpsPool}
