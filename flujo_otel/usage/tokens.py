"""Tokens of a model call, read off a span's attributes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.semconv import gen_ai
from flujo_otel.usage.cache import Cached, whole_input

_MOST: Final = 1e15
"""More is no count but a mistake; sums of many such still fit SQLite's integers."""
READ: Final = frozenset(
    {
        *gen_ai.ALL_INPUT_TOKENS,
        *gen_ai.ALL_OUTPUT_TOKENS,
        *gen_ai.TOTAL_TOKENS,
        *gen_ai.CACHE_READ_TOKENS,
        *gen_ai.CACHE_WRITE_TOKENS,
        *gen_ai.OWN_CACHE_READ_TOKENS,
        *gen_ai.OWN_CACHE_WRITE_TOKENS,
    }
)
"""The attributes that make a span tell of tokens."""


class Usage(NamedTuple):
    """Tokens of one call. None: not told."""

    input_tokens: int | None
    """All of the input, cached tokens included."""
    output_tokens: int | None
    cache_read_tokens: int | None
    """Those of the input that came from the provider's cache."""
    cache_write_tokens: int | None
    """Those of the input that were written to it."""
    total_tokens: int
    """As stated, where the split is not told."""
    provider: str = ""
    model: str = ""
    """That answered, else the one that was asked."""
    request_model: str = ""


def usage_of(attributes: Mapping[str, Any]) -> Usage | None:
    """What a span's own attributes tell; None where they tell of no token.

    GenAI conventions in old and new spellings, OpenInference's, pydantic-ai's details.
    """
    if READ.isdisjoint(attributes):
        return None
    provider = _text(attributes, gen_ai.PROVIDERS)
    cached = _cached(attributes)
    given = _count(attributes, gen_ai.ALL_INPUT_TOKENS)
    output = _count(attributes, gen_ai.ALL_OUTPUT_TOKENS)
    stated = _count(attributes, gen_ai.TOTAL_TOKENS)
    if given is not None:
        given = whole_input(given, cached, provider, output, stated)
    given, output = _split(given, output, stated)
    total = max(stated or 0, (given or 0) + (output or 0))
    if not total:
        return None
    asked = _text(attributes, (gen_ai.REQUEST_MODEL,))
    return Usage(
        given,
        output,
        cached.read,
        cached.write,
        total,
        provider,
        _text(attributes, gen_ai.RESPONSE_MODELS) or asked,
        asked,
    )


def _split(
    given: int | None, output: int | None, total: int | None
) -> tuple[int | None, int | None]:
    """Input and output, one of them worked out where the total and the other are told."""
    if total is None or (given is None and output is None):
        return given, output
    if given is None and output is not None and output <= total:
        return total - output, output
    if output is None and given is not None and given <= total:
        return given, total - given
    return given, output


def _cached(attributes: Mapping[str, Any]) -> Cached:
    read = _count(attributes, gen_ai.CACHE_READ_TOKENS)
    write = _count(attributes, gen_ai.CACHE_WRITE_TOKENS)
    if read is not None or write is not None:
        return Cached(read, write, is_own_name=False)
    read = _count(attributes, gen_ai.OWN_CACHE_READ_TOKENS)
    write = _count(attributes, gen_ai.OWN_CACHE_WRITE_TOKENS)
    return Cached(read, write, is_own_name=True)


def _count(attributes: Mapping[str, Any], names: Sequence[str]) -> int | None:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return int(value)
    return None


def _text(attributes: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return ""
