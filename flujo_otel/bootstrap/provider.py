"""A TracerProvider as the OTEL_* variables say, for a program that has none."""

import os
from collections.abc import Collection

from opentelemetry.sdk import _configuration as sdk
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from flujo_otel.errors import SettingsError
from flujo_otel_exporter.ids import TimeOrderedIdGenerator


def make_provider(service_name: str | None = None) -> TracerProvider:
    """Resource, sampler, limits, id generator and further exporters from the environment.

    OTEL_TRACES_EXPORTER names exporters beside ours; unset, it means none (docs/configure.md).
    Raises SettingsError where a variable names something that is not installed.
    """
    try:
        provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service_name} if service_name else {}),
            sampler=sdk._import_sampler(sdk._get_sampler()),
            id_generator=_id_generator(),
        )
        for exporter in _further_exporters():
            provider.add_span_processor(BatchSpanProcessor(exporter()))
    except RuntimeError as error:
        raise SettingsError(f"{error} (OTEL_TRACES_EXPORTER, OTEL_PYTHON_ID_GENERATOR).") from error
    return provider


def _id_generator() -> IdGenerator:
    name = os.environ.get("OTEL_PYTHON_ID_GENERATOR")
    return sdk._import_id_generator(name) if name else TimeOrderedIdGenerator()


def _further_exporters() -> Collection[type[SpanExporter]]:
    names = [name for name in sdk._get_exporter_names("traces") if name not in ("flujo", "none")]
    return sdk._import_exporters(names, [], [])[0].values()
