"""What OpenInference's spans of LlamaIndex are to us."""

from collections.abc import Mapping
from typing import Any, Final

from flujo_otel.integrations.adopted import Library
from flujo_otel.integrations.llama_index.documents import documents_of, output, ranking
from flujo_otel.semconv import gen_ai, model_call, openinference, xray

_HIDDEN: Final = "__REDACTED__"
"""What OpenInference writes for what its config hides."""
_CONTENT: Final = (
    "llm.prompt_template.",
    "retrieval.documents.",
    model_call.INPUT_MESSAGES,
    model_call.OUTPUT_MESSAGES,
    "gen_ai.retrieval.",
    "gen_ai.tool.call.",
    "gen_ai.tool.definitions",
)
"""What of the content its config does not hide, or makes at a span's end of what the span holds."""
_MODELS: Final = {model_call.LLM_MODEL_NAME, "embedding.model_name", gen_ai.REQUEST_MODEL}
_NO_MODEL: Final = "unknown"
"""What LlamaIndex writes where a model has no name."""
_NODES: Final = '["<NodeWithScore('
"""How the output of a retriever begins: as Python would show it, with ids and no text."""


class LlamaIndex(Library):
    """`Engine.query` calls `Engine._query` to do its work."""

    step_type = "llama_index"

    def is_inner(self, outer: str, inner: str) -> bool:
        owner, _, method = outer.rpartition(".")
        return inner == f"{owner}._{method}"

    def is_left_out(self, name: str, value: Any, *, content: bool) -> bool:
        if name in _MODELS:
            return bool(value == _NO_MODEL)
        if name == openinference.OUTPUT_VALUE and str(value).startswith(_NODES):
            return True
        return value == _HIDDEN or (not content and name.startswith(_CONTENT))

    def found(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        documents = documents_of(attributes)
        if not documents:
            return {}
        found: dict[str, Any] = {}
        if openinference.OUTPUT_VALUE not in attributes:
            found[openinference.OUTPUT_VALUE] = output(documents)
        if candidates := ranking(documents):
            found[xray.RANKED_CANDIDATES] = candidates
        return found
