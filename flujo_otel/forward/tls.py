"""The TLS files of a destination."""

import ssl

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import Destination


class _KeyIsEncrypted(Exception):
    pass


def _no_password() -> str:
    raise _KeyIsEncrypted


def context_of(destination: Destination) -> ssl.SSLContext | None:
    """None where the destination is not secure. Raises SettingsError where a file is no use."""
    if destination.url.scheme != "https":
        return None
    if destination.client_key is not None and destination.client_certificate is None:
        raise SettingsError(
            f"The destination {destination.name} has a client's key without its certificate: "
            "name that as well."
        )
    try:
        context = ssl.create_default_context(cafile=destination.certificate)
        if destination.client_certificate is not None:
            # Without a `password`, OpenSSL asks for it on the terminal: a traced program would
            # stand still.
            context.load_cert_chain(
                destination.client_certificate, destination.client_key, _no_password
            )
    except _KeyIsEncrypted:
        raise SettingsError(
            f"The client's key of the destination {destination.name} is encrypted: name one that "
            "needs no password."
        ) from None
    except OSError as error:  # SSLError is one
        raise SettingsError(
            f"The TLS files of the destination {destination.name} cannot be used: {error}."
        ) from error
    return context
