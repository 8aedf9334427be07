"""The service that configure(service_name=) names, once there is a provider."""

import logging
from typing import Final
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel.bootstrap.tracers import remembered_of

_logger = logging.getLogger("flujo_otel")
_named: Final[WeakSet[TracerProvider]] = WeakSet()


def name_service(provider: trace.TracerProvider, name: str) -> None:
    """Have the spans of `provider` that begin from now on be of the service `name`; of one that is
    not ours, or was named before, that is refused in a line of the log."""
    if not isinstance(provider, TracerProvider):
        return
    known = provider.resource.attributes.get(SERVICE_NAME)
    tracers = None if provider in _named else remembered_of(provider)
    if known != name and tracers is None:
        _logger.warning(
            "flujo-otel: configure(service_name=%r) comes too late: there is a TracerProvider"
            " already, of the service %r. Set OTEL_SERVICE_NAME where the program is started",
            name,
            known,
        )
        return
    _named.add(provider)
    if known != name and tracers is not None:
        # The SDK has no public way; its tracers keep what their provider had when they were made.
        provider._resource = provider.resource.merge(Resource({SERVICE_NAME: name}))
        for tracer in list(tracers):
            vars(tracer)["resource"] = provider.resource
