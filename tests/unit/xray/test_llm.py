"""What add_llm_metadata is given, as OpenTelemetry's GenAI attributes."""

from typing import Any

import pytest

from flujo_otel.storage.llm import gen_ai_attributes


@pytest.mark.parametrize(
    ("llm", "expected"),
    [
        ({"model": "gpt-4"}, {"gen_ai.request.model": "gpt-4"}),
        (
            {"provider": "openai", "temperature": 0, "finish_reason": "stop", "seed": 7},
            {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.temperature": 0.0,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.request.seed": 7,
            },
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "tokens_used": 7},
            {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 4},
        ),
        (
            {"usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2}},
            {
                "gen_ai.usage.input_tokens": 3,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.cache_read_input_tokens": 2,
            },
        ),
        (
            {
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 4,
                    "prompt_tokens_details": {"cached_tokens": 6, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 1},
                }
            },
            {
                "gen_ai.usage.input_tokens": 9,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.cache_read.input_tokens": 6,
                "gen_ai.usage.reasoning.output_tokens": 1,
            },
        ),
        (
            {"usage": {"input_token_details": {"cache_read": 6}, "output_token_details": None}},
            {"gen_ai.usage.cache_read.input_tokens": 6},
        ),
        (
            {"input_tokens": 3, "tokens_used": 7},
            {"gen_ai.usage.input_tokens": 3, "llm.token_count.total": 7},
        ),
        ({"tokens_used": 100}, {"llm.token_count.total": 100}),
        ({"usage": {"total_tokens": 100}}, {"llm.token_count.total": 100}),
        ({"tokens_used": -1, "temperature": "hot", "model": 7, "seed": True}, {}),
        ({"finish_reasons": ["stop", 1], "own": "x"}, {"gen_ai.response.finish_reasons": ["stop"]}),
    ],
    ids=str,
)
def test_each_argument_has_its_name(llm: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected == gen_ai_attributes(llm)
