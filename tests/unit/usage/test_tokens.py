"""What a span's attributes tell of tokens, whoever wrote them."""

from typing import Any

import pytest

from flujo_otel.usage.tokens import Usage, usage_of

OTEL = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}


def used(**given: Any) -> Usage:
    found = usage_of({name.replace("__", "."): value for name, value in given.items()})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
        ("llm.token_count.prompt", "llm.token_count.completion"),
        ("llm.usage.prompt_tokens", "llm.usage.completion_tokens"),
    ],
)
def test_old_and_new_spellings_say_the_same(given: str, answered: str) -> None:
    assert Usage(7, 3, None, None, 10) == usage_of({given: 7, answered: 3})


def test_a_call_that_says_it_twice_counts_once() -> None:
    assert Usage(100, 10, None, None, 110) == usage_of(
        {**OTEL, "llm.token_count.prompt": 100, "llm.token_count.completion": 10}
    )


def test_no_tokens_no_usage() -> None:
    assert usage_of({"gen_ai.request.model": "gpt-4o"}) is None
    assert usage_of({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}) is None


@pytest.mark.parametrize("value", [True, -1, "12", 1e16, float("nan"), None, [3]])
def test_what_is_no_count_is_not_told(value: Any) -> None:
    assert usage_of({"gen_ai.usage.input_tokens": value}) is None


def test_a_total_without_its_split_stays_a_total() -> None:
    assert Usage(None, None, None, None, 150) == usage_of({"llm.token_count.total": 150})


def test_a_total_and_one_part_tell_the_other() -> None:
    total = {"gen_ai.usage.total_tokens": 150}
    assert Usage(100, 50, None, None, 150) == usage_of({**total, "gen_ai.usage.input_tokens": 100})
    assert Usage(100, 50, None, None, 150) == usage_of({**total, "gen_ai.usage.output_tokens": 50})


def test_one_part_alone_is_not_all() -> None:
    assert Usage(100, None, None, None, 100) == usage_of({"gen_ai.usage.input_tokens": 100})


def test_the_model_that_answered_goes_before_the_one_that_was_asked() -> None:
    found = usage_of(
        {**OTEL, "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06"}
    )
    assert found is not None
    assert ("gpt-4o-2024-08-06", "gpt-4o") == (found.model, found.request_model)


@pytest.mark.parametrize(
    "name", ["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"]
)
def test_the_provider_has_several_names(name: str) -> None:
    found = usage_of({**OTEL, name: "openai"})
    assert found is not None
    assert "openai" == found.provider


# --- caches ---------------------------------------------------------------------------------------

READ_BY_CONVENTION = [
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "llm.token_count.prompt_details.cache_read",
]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "aws.bedrock", ""])
@pytest.mark.parametrize("name", READ_BY_CONVENTION)
def test_under_the_conventions_names_cached_tokens_are_part_of_the_input(
    name: str, provider: str
) -> None:
    found = usage_of({**OTEL, name: 80, "gen_ai.provider.name": provider})
    assert Usage(100, 10, 80, None, 110, provider) == found


@pytest.mark.parametrize(
    ("provider", "whole"), [("anthropic", 195), ("aws.bedrock", 195), ("openai", 100)]
)
def test_under_the_providers_own_names_they_count_as_it_counts(provider: str, whole: int) -> None:
    found = usage_of(
        {
            **OTEL,
            "gen_ai.usage.cache_read_input_tokens": 80,
            "gen_ai.usage.cache_creation_input_tokens": 15,
            "gen_ai.system": provider,
        }
    )
    assert Usage(whole, 10, 80, 15, whole + 10, provider) == found


@pytest.mark.parametrize("name", READ_BY_CONVENTION)
def test_more_cached_tokens_than_input_lie_beside_it(name: str) -> None:
    """As Anthropic's and Bedrock's numbers do where an instrumentation passes them on raw."""
    found = usage_of({**OTEL, name: 9_000, "gen_ai.provider.name": "anthropic"})
    assert Usage(9_100, 10, 9_000, None, 9_110, "anthropic") == found


def test_a_total_that_has_them_once_more_says_that_they_lie_beside() -> None:
    found = usage_of({**OTEL, READ_BY_CONVENTION[0]: 80, "gen_ai.usage.total_tokens": 190})
    assert Usage(180, 10, 80, None, 190) == found


def test_a_total_that_has_them_not_leaves_them_within() -> None:
    found = usage_of({**OTEL, READ_BY_CONVENTION[0]: 80, "gen_ai.usage.total_tokens": 110})
    assert Usage(100, 10, 80, None, 110) == found
