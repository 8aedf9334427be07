"""Whether tokens read from a provider's cache, or written to it, are part of the input tokens.

OpenAI and Google count them within; Anthropic's and Bedrock's own `input_tokens` are only those
beside. OpenTelemetry's conventions, pydantic-ai, OpenInference and LangChain have them within for
everyone: under their names they are taken so, whichever the provider. Under the provider's own name
they count as the provider counts. Numbers that say otherwise go before either: more cached tokens
than input, or a total that has them once more.
"""

from typing import Final, NamedTuple

_BESIDE: Final = ("anthropic", "bedrock")


class Cached(NamedTuple):
    """Cached tokens of one call; None: not told."""

    read: int | None
    write: int | None
    is_own_name: bool
    """Told under the provider's own name for them."""


def whole_input(
    input_tokens: int, cached: Cached, provider: str, output_tokens: int | None, total: int | None
) -> int:
    """All input tokens of a call, cached ones included."""
    tokens = (cached.read or 0) + (cached.write or 0)
    is_beside = (
        tokens > input_tokens
        or total == input_tokens + (output_tokens or 0) + tokens
        or (cached.is_own_name and any(name in provider.lower() for name in _BESIDE))
    )
    return input_tokens + tokens if is_beside else input_tokens
