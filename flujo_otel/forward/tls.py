"""The TLS files of a destination."""

import ssl

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import Destination


def context_of(destination: Destination) -> ssl.SSLContext | None:
    """None where the destination is not secure. Raises SettingsError where a file is no use."""
    if destination.url.scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=destination.certificate)
        if destination.client_certificate is not None:
            context.load_cert_chain(destination.client_certificate, destination.client_key)
    except OSError as error:  # SSLError is one
        raise SettingsError(
            f"The TLS files of the destination {destination.name} cannot be used: {error}."
        ) from error
    return context
