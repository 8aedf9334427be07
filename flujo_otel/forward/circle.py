"""Whether a destination is our own listener: what is sent there would come in again for ever."""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from flujo_otel.forward.destination import Destination

_IP = IPv4Address | IPv6Address


def is_own(destination: Destination, own: Iterable[tuple[str, int]]) -> bool:
    """Whether the destination's host and port lead to one of `own`. Names are resolved; one that
    does not resolve just now is nobody's."""
    host, port = destination.address
    listeners = [
        address for listening_host, at in own if at == port for address in _resolved(listening_host)
    ]
    if not listeners:
        return False
    return any(
        _leads_to(address, listener) for address in _resolved(host) for listener in listeners
    )


def _leads_to(address: _IP, listener: _IP) -> bool:
    if address == listener:
        return True
    if listener.is_unspecified:
        return _is_here(address)
    return _is_loopback(address) and _is_loopback(listener)


def _is_loopback(address: _IP) -> bool:
    """Of 127.0.0.0/8 only 127.0.0.1 is where we listen, but any of it may be routed here; and
    connecting to the unspecified address is connecting to this machine."""
    return address.is_loopback or address.is_unspecified


def _is_here(address: _IP) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    if _is_loopback(address):
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _resolved(host: str) -> set[_IP]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {_plain(ip_address(str(address[0]).partition("%")[0])) for *_, address in found}


def _plain(address: _IP) -> _IP:
    """An IPv4 address that is written as an IPv6 one, as the IPv4 one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
