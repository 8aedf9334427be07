"""What LangChain tells of a call of a model, as attributes: which model, how asked, what came."""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langchain_core.outputs import Generation, LLMResult

from flujo_otel.semconv import gen_ai
from flujo_otel.semconv import model_call as semconv

_MODEL: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment")
_PROVIDERS: Final = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""LangChain's names of providers where OpenTelemetry has others."""
_REQUEST: Final = {
    semconv.REQUEST_TEMPERATURE: ("temperature",),
    semconv.REQUEST_TOP_P: ("top_p",),
    semconv.REQUEST_TOP_K: ("top_k",),
    semconv.REQUEST_MAX_TOKENS: ("max_tokens", "max_completion_tokens", "max_output_tokens"),
    semconv.REQUEST_FREQUENCY_PENALTY: ("frequency_penalty",),
    semconv.REQUEST_PRESENCE_PENALTY: ("presence_penalty",),
    semconv.REQUEST_SEED: ("seed",),
}
_FINISH: Final = ("finish_reason", "stop_reason", "done_reason")
_INPUT: Final = ("input_tokens", "prompt_tokens", "prompt_token_count", "input_token_count")
_OUTPUT: Final = (
    "output_tokens",
    "completion_tokens",
    "candidates_token_count",
    "generated_token_count",
)
_TOTAL: Final = ("total_tokens", "total_token_count")
_BESIDE: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's and Bedrock's own names."""
_WITHIN: Final = ("cached_content_token_count",)
"""Google's."""
_Facts = Mapping[str, Any]


def request_attributes(operation: str, invocation: _Facts, metadata: _Facts) -> dict[str, Any]:
    """Of `invocation_params` and of LangChain's own `ls_*` metadata."""
    found: dict[str, Any] = {semconv.OPERATION_NAME: operation}
    model = model_of(invocation, metadata)
    if model:
        found[gen_ai.REQUEST_MODEL] = found[semconv.LLM_MODEL_NAME] = model
    provider = metadata.get("ls_provider")
    if isinstance(provider, str) and provider:
        found[semconv.PROVIDER_NAME] = _PROVIDERS.get(provider, provider)
        found[semconv.LLM_PROVIDER] = provider
    for name, keys in _REQUEST.items():
        value = _number(invocation, *keys)
        value = _number(metadata, f"ls_{keys[0]}") if value is None else value
        if value is not None:
            found[name] = value
    stop = invocation.get("stop") or metadata.get("ls_stop")
    if stop:
        found[semconv.REQUEST_STOP_SEQUENCES] = (
            [stop] if isinstance(stop, str) else [str(each) for each in stop]
        )
    return found


def model_of(invocation: _Facts, metadata: _Facts) -> str | None:
    named = [invocation.get(key) for key in _MODEL] + [metadata.get("ls_model_name")]
    return next((name for name in named if isinstance(name, str) and name), None)


def response_attributes(result: LLMResult) -> dict[str, Any]:
    """What came back but for the text."""
    generations = generations_of(result)
    message = message_of(generations[0]) if generations else None
    said = dict(getattr(message, "response_metadata", None) or {})
    output = result.llm_output or {}
    found = usage_attributes(_usage(message, said, output, generations))
    model = _text(said, "model_name", "model") or _text(output, "model_name", "model")
    if model:
        found[gen_ai.RESPONSE_MODEL] = model
    reasons = [reason for each in generations if (reason := _finish_reason(each))]
    if reasons:
        found[semconv.RESPONSE_FINISH_REASONS] = reasons
    response_id = _text(said, "id") or _text(output, "id") or getattr(message, "id", None)
    # LangChain makes one up from its run's id where the provider gives none.
    if response_id and not str(response_id).startswith(("lc_", "run-")):
        found[semconv.RESPONSE_ID] = str(response_id)
    return found


def generations_of(result: LLMResult) -> list[Generation]:
    """The answers to the one prompt of the call: several, if several were asked for."""
    return list(result.generations[0]) if result.generations else []


def message_of(generation: Generation) -> BaseMessage | None:
    message = getattr(generation, "message", None)
    return message if isinstance(message, BaseMessage) else None


def usage_attributes(usage: _Facts) -> dict[str, Any]:
    """Token counts in OpenTelemetry's names and in OpenInference's; a total stays a total.

    Both count cached tokens within the input, as LangChain's own usage does; Anthropic's raw
    numbers have them beside it.
    """
    given = _tokens(usage, *_INPUT)
    details = _mapping(usage, "input_token_details", "prompt_tokens_details")
    reads = _tokens(details, "cache_read", "cached_tokens")
    writes = _tokens(details, "cache_creation")
    beside = [_tokens(usage, name) for name in _BESIDE]
    if any(beside) and given is not None:
        given += sum(tokens or 0 for tokens in beside)
    reads = next((n for n in (reads, beside[0], _tokens(usage, *_WITHIN)) if n is not None), None)
    writes = beside[1] if writes is None else writes
    counts = {
        (gen_ai.INPUT_TOKENS[0], semconv.LLM_TOKENS_PROMPT): given,
        (gen_ai.OUTPUT_TOKENS[0], semconv.LLM_TOKENS_COMPLETION): _tokens(usage, *_OUTPUT),
        (semconv.LLM_TOKENS_TOTAL,): _tokens(usage, *_TOTAL),
        (semconv.CACHE_READ_TOKENS, semconv.LLM_TOKENS_CACHE_READ): reads,
        (semconv.CACHE_WRITE_TOKENS, semconv.LLM_TOKENS_CACHE_WRITE): writes,
        (semconv.REASONING_TOKENS,): _reasoning(usage),
    }
    return {name: n for names, n in counts.items() if n is not None for name in names}


def _reasoning(usage: _Facts) -> int | None:
    details = _mapping(usage, "output_token_details", "completion_tokens_details")
    return _tokens(details, "reasoning", "reasoning_tokens")


def _usage(
    message: BaseMessage | None, said: _Facts, output: _Facts, generations: list[Generation]
) -> _Facts:
    """The first place that has any: LangChain's own, then where providers have put it."""
    info = [each.generation_info or {} for each in generations]
    places = (
        getattr(message, "usage_metadata", None),
        *(output.get(name) for name in ("token_usage", "usage", "usage_metadata")),
        *(said.get(name) for name in ("token_usage", "usage", "usage_metadata")),
        *(each.get(name) for each in info for name in ("usage_metadata", "token_usage", "usage")),
    )
    return next((place for place in places if isinstance(place, Mapping) and place), {})


def _finish_reason(generation: Generation) -> str | None:
    message = message_of(generation)
    said = dict(getattr(message, "response_metadata", None) or {})
    return _text(generation.generation_info or {}, *_FINISH) or _text(said, *_FINISH)


def _mapping(facts: _Facts, *names: str) -> _Facts:
    found = (facts.get(name) for name in names)
    return next((value for value in found if isinstance(value, Mapping)), {})


def _text(facts: _Facts, *names: str) -> str | None:
    found = (facts.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), None)


def _number(facts: _Facts, *names: str) -> float | None:
    found = (facts.get(name) for name in names)
    return next((n for n in found if isinstance(n, int | float) and not isinstance(n, bool)), None)


def _tokens(facts: _Facts, *names: str) -> int | None:
    number = _number(facts, *names)
    return int(number) if number is not None else None
