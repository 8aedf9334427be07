"""OTLP/HTTP out, by urllib3. No redirect is followed: the headers may be secret."""

import gzip
import re
import time
from typing import Any, Final

from flujo_otel.errors import MissingExtra
from flujo_otel.forward import answer
from flujo_otel.forward.answer import ANSWER_BYTES, Answer, Verdict
from flujo_otel.forward.destination import PROTOBUF, Compression, Destination
from flujo_otel.forward.tls import context_of
from flujo_otel.wire.transport import Signal

try:
    import urllib3
    from urllib3.exceptions import HTTPError, LocationParseError

    from flujo_otel.forward.pool import pool_manager
except ImportError as error:
    raise MissingExtra(
        "Forwarding needs urllib3: pip install 'flujo-otel[forward]' installs it."
    ) from error

_CHUNK_BYTES: Final = 64 << 10
_GZIP_LEVEL: Final = 1
"""Three quarters of level 6's saving at a fifth of its time."""
_OBJECT: Final = re.compile(r"^\w+\(host=[^)]*\): ")
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")
_AT_THE_END: Final = re.compile(r" \((?:(?:read|connect) timeout=[^)]*|_ssl\.c:\d+)\)$")
_HEADERS: Final = {
    "user-agent": "OTel-OTLP-Exporter-flujo-otel",
    "accept-encoding": "identity",
}


class HttpSender:
    """See `sender.Sender`. Raises SettingsError where the TLS files cannot be used."""

    def __init__(self, destination: Destination, signal: Signal = Signal.TRACES) -> None:
        url = destination.endpoint_for(signal)
        assert url is not None
        self._url = url
        self._is_zipped = destination.compression is Compression.GZIP
        self._headers = {**_HEADERS, **destination.headers}
        if self._is_zipped:
            self._headers["content-encoding"] = "gzip"
        self._pool = pool_manager(context_of(destination))

    def send(self, body: bytes, timeout_seconds: float, content_type: str = PROTOBUF) -> Answer:
        """See `sender.Sender.send`."""
        if self._is_zipped:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers={**self._headers, "content-type": content_type},
                timeout=urllib3.Timeout(total=timeout_seconds),
                redirect=False,
                preload_content=False,
            )
        except LocationParseError as error:
            return Answer(Verdict.PAUSE, answer.shown(str(error)))
        except (HTTPError, OSError) as error:
            return Answer(Verdict.RETRY, _words(error))
        return _answer(response)

    def close(self) -> None:
        """See `sender.Sender.close`."""
        self._pool.clear()


def _answer(response: Any) -> Answer:
    try:
        body = _read(response)
    except (HTTPError, OSError) as error:
        if 200 <= response.status < 300:
            # Whether it took them is not known; twice is better than never.
            return Answer(Verdict.RETRY, _words(error))
        body = b""
    headers = response.headers
    if 300 <= response.status < 400:
        words = f"{response.status} {response.reason}: redirects are not followed; it points to "
        return Answer(Verdict.PAUSE, answer.shown(words + headers.get("location", "nowhere")))
    return answer.of_http(
        response.status,
        response.reason or "",
        body,
        content_type=headers.get("content-type", ""),
        retry_after=headers.get("retry-after", ""),
        now=time.time(),
    )


def _read(response: Any) -> bytes:
    """At most ANSWER_BYTES of the body; where there is more, the connection is dropped."""
    parts: list[bytes] = []
    size = 0
    while size < ANSWER_BYTES:
        part = response.read1(min(_CHUNK_BYTES, ANSWER_BYTES - size), decode_content=False)
        if not part:
            response.release_conn()
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    response.close()
    return b"".join(parts)


def _words(error: Exception) -> str:
    """What went wrong, without urllib3's wrappings, which name its objects."""
    cause: BaseException = getattr(error, "reason", None) or error
    said = _text(cause).rpartition(">: ")[2] or type(cause).__name__
    plain = _ERRNO.sub("", _OBJECT.sub("", said, count=1))
    return answer.shown(_AT_THE_END.sub("", plain))


def _text(cause: BaseException) -> str:
    """A ProtocolError that wraps another is to str() a tuple with that one's repr."""
    match cause.args:
        case (str(said), BaseException() as inner) if isinstance(cause, HTTPError):
            why = str(inner) or type(inner).__name__
            return said if why in said else f"{said} {why}"
    return str(cause)
