"""Who may speak to the collector: by which name it is called, from which page, with which token.

A server on loopback is open to every web page that the user visits, unless it looks: a page may
point its own name at 127.0.0.1 (DNS rebinding), which the Host header tells, or send from
elsewhere, which the Origin header tells.
"""

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from flujo_otel.collector.answers import Code, Refusal

_TOKEN_BYTES: Final = 32
_SCHEME: Final = b"bearer"
# Docker Desktop's name for the machine that a container runs on; resolved on that machine only.
_NAMES_OF_THIS_MACHINE: Final = frozenset({"localhost", "host.docker.internal"})


class Access:
    """The rules of one server. `token` None: none is asked for."""

    def __init__(self, host: str, allowed_hosts: Iterable[str] = (), token: str | None = None):
        self._token = None if token is None else token.encode()
        given = [host, *allowed_hosts]
        if not is_loopback(host):
            given += [socket.gethostname(), socket.getfqdn()]
        self._names = frozenset(host_of(name) for name in given) - {""}
        self._allows_host = lru_cache(maxsize=256)(self._knows_host)
        self._allows_origin = lru_cache(maxsize=256)(self._knows_origin)

    def check_host(self, host: bytes) -> None:
        """Raises Refusal for a Host header that names another machine. Any port will do."""
        if not self._allows_host(host):
            raise Refusal(
                403,
                Code.PERMISSION_DENIED,
                "This server does not answer to that Host; "
                "name it with --allow-host if it is yours.",
            )

    def check_origin(self, origin: bytes) -> None:
        """Raises Refusal for a page of another machine."""
        if not self._allows_origin(origin):
            raise Refusal(
                403,
                Code.PERMISSION_DENIED,
                "Pages of that Origin may not send here; "
                "name its host with --allow-host if it is yours.",
            )

    def check_token(self, authorization: bytes | None) -> None:
        """Raises Refusal unless it is `Bearer` and the token, where one is asked for."""
        if not self.has_token(authorization):
            raise Refusal(
                401,
                Code.UNAUTHENTICATED,
                "This server asks for its token: Authorization: Bearer ...",
            )

    def has_token(self, authorization: bytes | None) -> bool:
        """Whether the token was sent; True where none is asked for. Takes equally long for all
        wrong tokens of a length."""
        if self._token is None:
            return True
        scheme, _, given = (authorization or b"").partition(b" ")
        return scheme.lower() == _SCHEME and hmac.compare_digest(given.strip(), self._token)

    def _knows_host(self, host: bytes) -> bool:
        name = host_of(host.decode("latin-1"))
        # An address cannot be pointed anywhere by whoever owns a name.
        return _is_of_this_machine(name) or _address(name) is not None or name in self._names

    def _knows_origin(self, origin: bytes) -> bool:
        scheme, separator, rest = origin.decode("latin-1").partition("://")
        name = host_of(rest)
        if not separator or scheme not in ("http", "https") or "/" in rest:
            return False
        return _is_of_this_machine(name) or name in self._names


def host_of(authority: str) -> str:
    """The host of `host`, `host:port`, `[v6]` or `[v6]:port`, in lower case; "" for nonsense."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        name, bracket, port = authority[1:].partition("]")
        return name if bracket and (not port or _is_port(port)) else ""
    if authority.count(":") > 1:
        return authority if _address(authority) is not None else ""
    name, colon, number = authority.partition(":")
    return "" if colon and not _is_port(colon + number) else name.removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    address = _address(host_of(host))
    return address.is_loopback if address is not None else host_of(host) == "localhost"


def new_token() -> str:
    """One that nobody guesses."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def authorization_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    """The Authorization header; None where there is none, or more than one."""
    found = [value for name, value in headers if name == b"authorization"]
    return found[0] if len(found) == 1 else None


def _is_of_this_machine(name: str) -> bool:
    if name in _NAMES_OF_THIS_MACHINE or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def _is_port(text: str) -> bool:
    return text.startswith(":") and (text == ":" or (text[1:].isascii() and text[1:].isdigit()))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
