"""LlamaIndex as OpenTelemetry spans, by OpenInference's instrumentation (docs/llama-index.md).

Importing this imports neither of them.
"""

from flujo_otel.integrations.llama_index.instrumentor import LlamaIndexInstrumentor

__all__ = ["LlamaIndexInstrumentor"]
