"""A TracerProvider as the OTEL_* variables say, for a program that has none."""

from opentelemetry import trace
from opentelemetry.sdk import _configuration as sdk
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from flujo_otel.bootstrap.components import exporters, id_generator
from flujo_otel.bootstrap.service import name_service
from flujo_otel.bootstrap.tracers import remember
from flujo_otel.errors import SettingsError
from flujo_otel.guard import guarded
from flujo_otel_exporter.ids import TimeOrderedIdGenerator


def global_provider(service_name: str | None = None) -> trace.TracerProvider:
    """The one that is set; where there is none, one made and set now. Of this service, if that can
    still be."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(make_provider(service_name))
    provider = trace.get_tracer_provider()
    if service_name is not None:
        name_service(provider, service_name)
    return provider


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
    remember(provider)
    for name, exporter in exporters("traces").items():
        with guarded(f"making the exporter {name}"):
            provider.add_span_processor(BatchSpanProcessor(exporter()))
    return provider
