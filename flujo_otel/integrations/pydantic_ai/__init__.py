"""pydantic-ai's agents as OpenTelemetry spans, by its own instrumentation (docs/pydantic-ai.md).

Importing this does not import pydantic-ai.
"""

from flujo_otel.integrations.pydantic_ai.instrumentor import PydanticAIInstrumentor

__all__ = ["PydanticAIInstrumentor"]
