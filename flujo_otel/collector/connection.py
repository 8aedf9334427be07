"""An HTTP connection with bounds on what uvicorn leaves open.

uvicorn 0.54 with httptools bounds neither the size of a request's head (or of the trailers behind a
chunked body) nor the time it takes to come, nor the number of connections; it reads on for ever
where a client sends on behind an early answer; it hangs up on a client that has closed its side
(`curl`'s and `nc`'s way to end a request) before the answer is out; and it loses the body of a
request that offers to go on in another protocol (`Upgrade: h2c`, from Java's HttpClient and
`curl --http2`), which an empty one of OTLP looks like. And it reads on while requests wait for the
answers of those before them: two clients that asked and asked and read no answer had 250 MiB of it
within 8 s, and a stop waited half a minute for it.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

HEAD_BYTES: Final = 64 * 1024
"""Of a head, of trailers, and of what stands between two pieces of a chunked body."""
HEAD_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 5.0
"""A client that is refused early may go on sending for so long: hanging up at once would reset the
connection, and the answer might be lost with it."""
CONNECTIONS: Final = 500
"""Or half of the files that the process may have open, where that is less (a Mac has 256 in all):
gRPC and the database need some too."""
SLICE_BYTES: Final = 8 * 1024
"""Parsed at once: requests in it wait for one another, and take a hundred times their bytes."""
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """Given to uvicorn as its `http`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.parser: Any = _Parser(self)
        self._idle_bytes = 0
        self._is_whole = True
        """Nothing of the current request is still to come."""
        self._timer: asyncio.TimerHandle | None = None
        self._unparsed = b""
        """What came behind requests that are not answered yet."""
        self._is_at_end = False
        """The client has closed its side."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(self, transport)
        if len(self.connections) > _most_connections():
            self._hang_up(_TOO_MANY)
        else:
            self._expect_within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unparsed += data
        self._parse()

    def eof_received(self) -> bool:  # type: ignore[override]
        if not self._is_answer_pending or not (self._is_whole or self._unparsed):
            return False
        self._is_at_end = True
        self._end_behind_last()
        return True

    @property
    def may_read(self) -> bool:
        """Whether there is room for more: not while requests wait for the answers of others."""
        return not self.pipeline and not self._unparsed

    def shutdown(self) -> None:
        self._unparsed = b""
        super().shutdown()

    def on_message_begin(self) -> None:
        self._is_whole = False
        if not self._is_answer_pending:  # else nobody reads what is still to come of it
            self._expect_within(HEAD_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.is_offer():
            return
        self._idle_bytes = 0
        self._expect_nothing()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.is_offer():
            return
        self._idle_bytes = 0
        self._is_whole = True
        super().on_message_complete()
        if self.cycle.response_complete:
            self._expect_within(HEAD_SECONDS)

    def declined(self) -> bytes:
        """The head of the current request without its offer of another protocol, for a parser that
        has not seen it."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b" ".join((method, self.url, b"HTTP/" + version))]
        lines += [b": ".join(pair) for pair in self.headers if pair[0] != b"upgrade"]
        self.parser = _Parser(self)
        return b"\r\n".join((*lines, b"", b""))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_whole and not self._is_answer_pending:
            self._expect_within(LINGER_SECONDS)
        self._parse()

    def _parse(self) -> None:
        while self._unparsed and not self.pipeline and not self.transport.is_closing():
            data, self._unparsed = self._unparsed[:SLICE_BYTES], self._unparsed[SLICE_BYTES:]
            self._idle_bytes += len(data)
            super().data_received(data)
            if self._idle_bytes > HEAD_BYTES:
                self._hang_up(_HEAD_TOO_LARGE)
        if self._unparsed:
            self.flow.pause_reading()
        elif self._is_at_end:
            self._end_behind_last()

    def _end_behind_last(self) -> None:
        """Of what a client has sent that sends no more."""
        if self._unparsed:
            return
        if self._is_answer_pending and self._is_whole:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    @property
    def _is_answer_pending(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self.transport.abort()

    def _hang_up(self, answer: bytes) -> None:
        if not self._is_answer_pending:
            self.transport.write(answer)
        self.transport.close()


def _most_connections() -> int:
    if resource is None:
        return CONNECTIONS
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)


class _Flow(FlowControl):
    """Whoever wants to read on does where there is room."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        if self._connection.may_read:
            super().resume_reading()


class _Parser(httptools.HttpRequestParser):
    """It takes whatever follows an offer of another protocol for that protocol."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._connection = connection

    def is_offer(self) -> bool:
        """Whether the request would go on in another protocol; CONNECT has no other way."""
        return bool(self.should_upgrade()) and self.get_method() != b"CONNECT"

    def feed_data(self, data: Any) -> None:
        """As the parser does, but for offers."""
        parser = self
        while True:
            try:
                super(_Parser, parser).feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if not parser.is_offer():
                    raise
                data = self._connection.declined() + data[offer.args[0] :]
                parser = self._connection.parser
            else:
                return
