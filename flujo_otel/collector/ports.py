"""The ports to listen on, and who has them where they are taken."""

import errno
import json
import os
import socket
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from flujo_otel.errors import PortTaken, SettingsError

PRODUCT: Final = "flujo-otel"
DEFAULT_HOST: Final = "127.0.0.1"
_ASK_SECONDS: Final = 0.5
_ANSWER_BYTES: Final = 64 * 1024
_BACKLOG: Final = 512


def listen(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of `host`, all on one port; 0: a free one.

    Raises SettingsError for a host that this machine has not, OSError with EADDRINUSE.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses_of(host):
            sockets.append(_listening(family, address, port))
            port = sockets[0].getsockname()[1]
    except BaseException as error:
        for opened in sockets:
            opened.close()
        if isinstance(error, OSError) and error.errno != errno.EADDRINUSE:
            raise SettingsError(
                f"Cannot listen on {host} port {port}: {error.strerror}."
            ) from error
        raise
    return sockets


def is_free(host: str, port: int) -> bool:
    """Whether one could listen there just now; 0: there is a free one. Raises SettingsError."""
    try:
        sockets = listen(host, port)
    except OSError:
        return False
    for opened in sockets:
        opened.close()
    return True


def addresses_of(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses that `host` names, each once. Raises SettingsError."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"No address for host {host!r}: {error}.") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def taken(
    host: str, port: int, option: str, database: Path, http_ports: Sequence[int]
) -> PortTaken:
    """Says who has the port. `http_ports`: where one of our servers would tell its health."""
    for asked in dict.fromkeys((port, *http_ports)):
        holder = health_of(host, asked)
        if holder is not None and port in (asked, holder.get("http_port"), holder.get("grpc_port")):
            return PortTaken(_by_ours(port, holder, database, option), port, holder)
    return PortTaken(
        f"Port {port} of {host} is taken by another program. Choose another with {option} "
        "(0: a free one).",
        port,
    )


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named. Without it the body of an answer,
    # written after its head, waits 40 ms for the head to be acknowledged.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it lets two servers have one port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _by_ours(port: int, holder: dict[str, Any], database: Path, option: str) -> str:
    who = f"Port {port} is taken by another lens serve"
    if "pid" in holder:
        who += f" (process {holder['pid']})"
    theirs = holder.get("database")
    if theirs is None:
        return f"{who}, which keeps its database to itself. Choose another port with {option}."
    if Path(str(theirs)) == database:
        return f"{who} on this same database, {theirs}: send to that one."
    return (
        f"{who} on another database, {theirs}: send to that one, or choose other ports with "
        "--http-port and --grpc-port (0: a free one)."
    )


def health_of(host: str, port: int) -> dict[str, Any] | None:
    """What the /healthz of a server of ours says there; None: none of ours is there."""
    connection = HTTPConnection(_reachable(host), port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/healthz")
        said = json.loads(connection.getresponse().read(_ANSWER_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    return said if isinstance(said, dict) and said.get("product") == PRODUCT else None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host).strip("[]")
