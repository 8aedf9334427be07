"""X-Ray's LLM metadata as OpenTelemetry's `gen_ai.*` and OpenInference's `llm.*`."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from flujo_otel.semconv import flujo, gen_ai, model_call

_MOST: Final = (1 << 63) - 1
_LARGEST: Final = sys.float_info.max


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return None
    return int(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def _texts(value: Any) -> list[str] | None:
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    return texts or None


_INPUT: Final = gen_ai.INPUT_TOKENS[0]
_OUTPUT: Final = gen_ai.OUTPUT_TOKENS[0]

_NAMES: Final[tuple[tuple[str, Callable[[Any], Any], tuple[str, ...]], ...]] = (
    (gen_ai.REQUEST_MODEL, _text, ("model", "request_model")),
    (gen_ai.RESPONSE_MODEL, _text, ("response_model",)),
    (model_call.RESPONSE_ID, _text, ("response_id",)),
    (model_call.PROVIDER_NAME, _text, ("provider", "provider_name", "system")),
    (model_call.OPERATION_NAME, _text, ("operation", "operation_name")),
    (model_call.REQUEST_TEMPERATURE, _number, ("temperature",)),
    (model_call.REQUEST_TOP_P, _number, ("top_p",)),
    (model_call.REQUEST_TOP_K, _number, ("top_k",)),
    (model_call.REQUEST_MAX_TOKENS, _count, ("max_tokens", "max_completion_tokens")),
    (model_call.REQUEST_SEED, _count, ("seed",)),
    (model_call.REQUEST_STOP_SEQUENCES, _texts, ("stop_sequences", "stop")),
    (model_call.RESPONSE_FINISH_REASONS, _texts, ("finish_reasons", "finish_reason")),
    (_INPUT, _count, ("input_tokens", "prompt_tokens")),
    (_OUTPUT, _count, ("output_tokens", "completion_tokens")),
    (model_call.CACHE_READ_TOKENS, _count, ("cache_read_tokens", "cached_tokens", "cache_read")),
    (model_call.CACHE_WRITE_TOKENS, _count, ("cache_write_tokens", "cache_creation")),
    (gen_ai.OWN_CACHE_READ_TOKENS[0], _count, ("cache_read_input_tokens",)),
    (gen_ai.OWN_CACHE_WRITE_TOKENS[0], _count, ("cache_creation_input_tokens",)),
    (model_call.REASONING_TOKENS, _count, ("reasoning_tokens", "reasoning")),
    (flujo.COST_USD, _number, ("cost_usd",)),
)
"""What each attribute is called among the arguments, by whichever provider's habit. Anthropic's own
names for cached tokens stay its own: it counts them beside the input (`usage.cache`)."""
_DETAILS: Final = (
    "prompt_tokens_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
    "input_token_details",
    "output_token_details",
)
"""Of OpenAI's `usage`, in both its APIs, and of LangChain's."""


def gen_ai_attributes(llm: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes for what `add_llm_metadata` was given; `usage` may hold the tokens.

    A total whose split is not known stays a total; where one half is known the other follows.
    """
    given = _given(llm)
    found: dict[str, Any] = {}
    for name, read, keys in _NAMES:
        value = next((value for key in keys if (value := read(given.get(key))) is not None), None)
        if value is not None:
            found[name] = value
    total = _count(given.get("tokens_used")) or _count(given.get("total_tokens"))
    if total and not (_INPUT in found and _OUTPUT in found):
        found[model_call.LLM_TOKENS_TOTAL] = total
    return found


def _given(llm: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments, and what `usage` says beside them."""
    usage = llm.get("usage")
    if not isinstance(usage, Mapping):
        return llm
    details = [each for name in _DETAILS if isinstance(each := usage.get(name), Mapping)]
    return {**{key: each for part in details for key, each in part.items()}, **usage, **llm}
