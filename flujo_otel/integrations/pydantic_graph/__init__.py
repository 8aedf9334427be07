"""pydantic-graph as OpenTelemetry spans (docs/pydantic-graph.md).

Importing this imports neither pydantic_graph nor the OpenTelemetry SDK.
"""

from flujo_otel.integrations.pydantic_graph.execution import execution_id
from flujo_otel.integrations.pydantic_graph.instrumentor import PydanticGraphInstrumentor
from flujo_otel.integrations.pydantic_graph.node import mark_cached
from flujo_otel.integrations.pydantic_graph.origin import replay_of

__all__ = ["PydanticGraphInstrumentor", "execution_id", "mark_cached", "replay_of"]
