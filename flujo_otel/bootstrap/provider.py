"""A TracerProvider as the OTEL_* variables say, for a program that has none."""

import logging

from opentelemetry import trace
from opentelemetry.sdk import _configuration as sdk
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from flujo_otel.bootstrap.components import exporters, id_generator
from flujo_otel.errors import SettingsError
from flujo_otel.guard import guarded
from flujo_otel_exporter.ids import TimeOrderedIdGenerator

_logger = logging.getLogger("flujo_otel")


def global_provider(service_name: str | None = None) -> trace.TracerProvider:
    """The one that is set; where there is none, one made and set now, of this service."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(make_provider(service_name))
    provider = trace.get_tracer_provider()
    if service_name is not None:
        _warn_if_called_otherwise(provider, service_name)
    return provider


def _warn_if_called_otherwise(provider: trace.TracerProvider, service_name: str) -> None:
    if not isinstance(provider, TracerProvider):
        return
    named = provider.resource.attributes.get(SERVICE_NAME)
    if named != service_name:
        _logger.warning(
            "flujo-otel: configure(service_name=%r) comes too late: there is a TracerProvider"
            " already, as `lens run` makes one, of the service %r. Set OTEL_SERVICE_NAME where the"
            " program is started",
            service_name,
            named,
        )


def make_provider(service_name: str | None = None) -> TracerProvider:
    """Resource, sampler, limits, id generator and further exporters from the environment.

    OTEL_TRACES_EXPORTER names exporters beside ours; unset, it means none (docs/configure.md). What
    is not installed is warned of and done without. Raises SettingsError for a limit that is none.
    """
    try:
        provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service_name} if service_name else {}),
            sampler=sdk._import_sampler(sdk._get_sampler()),
            id_generator=id_generator() or TimeOrderedIdGenerator(),
        )
    except ValueError as error:
        raise SettingsError(f"OpenTelemetry cannot be set up: {error}.") from error
    for name, exporter in exporters("traces").items():
        with guarded(f"making the exporter {name}"):
            provider.add_span_processor(BatchSpanProcessor(exporter()))
    return provider
