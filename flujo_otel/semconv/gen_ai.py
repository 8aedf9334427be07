"""What the store reads of a model call: OpenTelemetry's GenAI conventions in current and older
spellings, OpenInference's `llm.*`, and what instrumentations write beside them. Of several names
the first that is there counts.
"""

from typing import Final

REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
INPUT_TOKENS: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
OUTPUT_TOKENS: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")

ALL_INPUT_TOKENS: Final = (*INPUT_TOKENS, "llm.token_count.prompt", "llm.usage.prompt_tokens")
ALL_OUTPUT_TOKENS: Final = (
    *OUTPUT_TOKENS,
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
)
TOTAL_TOKENS: Final = (
    "gen_ai.usage.total_tokens",
    "llm.token_count.total",
    "llm.usage.total_tokens",
)

CACHE_READ_TOKENS: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "llm.token_count.prompt_details.cache_read",
)
"""Tokens read from the provider's cache: part of the input tokens, say the conventions."""
CACHE_WRITE_TOKENS: Final = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "llm.token_count.prompt_details.cache_write",
)
"""Tokens written to it: part of the input tokens too."""
OWN_CACHE_READ_TOKENS: Final = ("gen_ai.usage.cache_read_input_tokens",)
"""Under the provider's own name for them, and as the provider counts: see `usage.cache`."""
OWN_CACHE_WRITE_TOKENS: Final = (
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
)

COST_USD: Final = ("gen_ai.usage.cost", "llm.cost.total", "operation.cost")
"""What the call cost, as whoever recorded it says; `operation.cost` is pydantic-ai's."""

PROVIDERS: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
RESPONSE_MODELS: Final = (RESPONSE_MODEL, "llm.model_name", "embedding.model_name")

TOOL_ARGUMENTS: Final = ("gen_ai.tool.call.arguments", "tool_arguments")
TOOL_RESULT: Final = ("gen_ai.tool.call.result", "tool_response")
"""The second of each is what pydantic-ai wrote before there was a convention."""
ALL_MESSAGES: Final = "pydantic_ai.all_messages"
"""An agent's whole conversation, in the form of `gen_ai.input.messages`."""
NEW_MESSAGE_INDEX: Final = "pydantic_ai.new_message_index"
"""Where in ALL_MESSAGES the run's own begin, after those that it was handed."""
FINAL_RESULT: Final = "final_result"
"""What an agent of pydantic-ai answered."""
