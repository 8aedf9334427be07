"""What tokens cost: the settings first, then genai-prices; what nobody knows is None."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from flujo_otel import settings
from flujo_otel.errors import SettingsError
from flujo_otel.usage import process
from flujo_otel.usage.cost import cost_of
from flujo_otel.usage.process import price
from flujo_otel.usage.rates import PaidTokens, Rates, rates_of
from flujo_otel.usage.tokens import Usage, usage_of

NOW_NS = 1_760_000_000 * 10**9
NOW = datetime.fromtimestamp(NOW_NS / 1e9, UTC)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    process.use(None)
    yield
    process.use(None)


def usage(model: str, provider: str = "openai", **given: int | None) -> Usage:
    values = {"input_tokens": 910, "output_tokens": 120, "cache_read_tokens": None}
    values |= {"cache_write_tokens": None, "total_tokens": 1030}
    return Usage(**(values | given), provider=provider, model=model)  # type: ignore[arg-type]


def test_a_known_model_has_its_price() -> None:
    assert pytest.approx(910 * 0.15e-6 + 120 * 0.6e-6) == price(usage("gpt-4o-mini"), NOW_NS)


def test_each_model_of_the_library_costs_what_the_library_says() -> None:
    """Flat rates are worked out here, without the library's arithmetic: they must agree."""
    used = genai_prices.Usage(
        input_tokens=300_000, output_tokens=700, cache_read_tokens=3000, cache_write_tokens=1000
    )
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models[:40]:
            found = price(
                usage(
                    model.id,
                    provider.id,
                    input_tokens=300_000,
                    output_tokens=700,
                    cache_read_tokens=3000,
                    cache_write_tokens=1000,
                ),
                NOW_NS,
            )
            if found is None:  # no price by tokens, or none for its output
                continue
            expected = genai_prices.calc_price(
                used, model.id, provider_id=provider.id, genai_request_timestamp=NOW
            )
            assert pytest.approx(float(expected.total_price)) == found, (provider.id, model.id)
            compared += 1
    assert compared > 300


def test_cached_tokens_cost_less() -> None:
    cold, warm = usage("gpt-4o-mini"), usage("gpt-4o-mini", cache_read_tokens=900)
    assert (price(warm, NOW_NS) or 0) < (price(cold, NOW_NS) or 0)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "my-own-model"),
        ("test", "test"),
        ("function", "function:reply:"),
        ("ollama", "gpt-4o-mini"),
        ("openai", ""),
    ],
)
def test_an_unknown_price_is_unknown(provider: str, model: str) -> None:
    assert price(usage(model, provider), NOW_NS) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("", "gpt-4o-mini"),
        ("litellm", "gpt-4o-mini"),
        ("az.ai.openai", "gpt-4o-mini"),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("gcp.vertex_ai", "gemini-2.5-flash"),
        ("x_ai", "grok-3"),
        ("mistral_ai", "mistral-large-latest"),
    ],
)
def test_providers_go_by_opentelemetrys_names(provider: str, model: str) -> None:
    assert (price(usage(model, provider), NOW_NS) or 0) > 0


def test_the_model_asked_for_will_do_where_nobody_knows_the_one_that_answered() -> None:
    asked = usage("gpt-4o-mini")
    answered = asked._replace(model="ft:secret:7", request_model="gpt-4o-mini")
    assert price(asked, NOW_NS) == price(answered, NOW_NS)


@pytest.mark.parametrize("missing", ["input_tokens", "output_tokens"])
def test_what_is_half_known_has_no_price(missing: str) -> None:
    assert price(usage("gpt-4o-mini", **{missing: None}), NOW_NS) is None


def test_an_embedding_has_no_output_to_pay_for() -> None:
    found = price(usage("text-embedding-3-small", output_tokens=None), NOW_NS)
    assert pytest.approx(910 * 0.02e-6) == found


# --- stated costs and the settings ----------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["flujo.cost_usd", "gen_ai.usage.cost", "llm.cost.total", "operation.cost"]
)
def test_a_stated_cost_goes_before_any_price(name: str) -> None:
    attributes = {
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 910,
        "gen_ai.usage.output_tokens": 120,
        name: 0.5,
    }
    assert 0.5 == cost_of(attributes, usage_of(attributes), NOW_NS)


def test_a_stated_zero_says_nothing() -> None:
    attributes = {"flujo.cost_usd": 0.0, "gen_ai.usage.total_tokens": 5}
    assert cost_of(attributes, usage_of(attributes), NOW_NS) is None


def test_the_settings_go_before_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flujo.toml").write_text(
        '[prices."gpt-4o-mini"]\ninput = 1\noutput = 2\n'
        '[prices."mine"]\ninput = 10\noutput = 20\ncache_read = 1\ncache_write = 40\n'
        '[prices."free"]\ninput = 0\noutput = 0\n'
    )
    monkeypatch.chdir(tmp_path)
    assert pytest.approx(910e-6 + 240e-6) == price(usage("gpt-4o-mini"), NOW_NS)
    cached = usage("mine", "anybody", cache_read_tokens=800, cache_write_tokens=100)
    assert pytest.approx((10 * 10 + 120 * 20 + 800 + 100 * 40) / 1e6) == price(cached, NOW_NS)
    assert 0.0 == price(usage("free"), NOW_NS)


def test_the_variable_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flujo.toml").write_text('[prices."mine"]\ninput = 1\noutput = 1\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUJO_OTEL_PRICES", '{"mine": {"input": 3, "output": 3}}')
    assert {"mine": Rates(3.0, 3.0, 3.0, 3.0)} == rates_of(settings.load())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("prices = 3", "prices in .* must hold tables"),
        ("[prices.m]\noutput = 1", "'m' .* must have input"),
        ("[prices.m]\ninput = -1\noutput = 1", "input of the price of 'm' .* is -1"),
        ("[prices.m]\ninput = 1\noutput = nan", "output of the price of 'm'"),
        ("[prices.m]\ninput = 1\nouput = 1", "No key 'ouput'.* there are input, output"),
    ],
)
def test_a_price_that_cannot_be_used_is_an_error_that_says_where(
    table: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flujo.toml").write_text(table)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=said):
        rates_of(settings.load())


def test_a_variable_that_is_no_json_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUJO_OTEL_PRICES", "mine=3")
    with pytest.raises(SettingsError, match="FLUJO_OTEL_PRICES is no JSON"):
        rates_of(settings.load())


def test_a_model_without_output_needs_no_price_for_it() -> None:
    embedding = Rates(1.0, None, 1.0, 1.0)
    assert pytest.approx(5e-6) == embedding.price(PaidTokens(5, None, 0, 0))
    assert embedding.price(PaidTokens(5, 1, 0, 0)) is None


# --- what it takes --------------------------------------------------------------------------------


def run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


def test_the_library_is_imported_for_the_first_price_and_goes_to_no_network() -> None:
    said = run(
        """
        import sys
        # urllib3 binds a socket to see whether there is IPv6; nothing else may touch the network.
        OUT = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
        sys.addaudithook(lambda name, _: name in OUT and print("network", name))
        from flujo_otel.wire.projection import project
        def cost(**more):
            of = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 5, **more}
            return project(of, is_root=False, ended=True, is_error=False).cost_usd
        cost(), cost(**{"gen_ai.usage.cost": 1.0, "gen_ai.request.model": "gpt-4o"})
        print("genai_prices" in sys.modules)
        print(cost(**{"gen_ai.request.model": "gpt-4o"}) > 0, "genai_prices" in sys.modules)
        """
    )
    assert "False\nTrue True" == said


def test_without_the_library_prices_are_unknown() -> None:
    said = run(
        """
        import sys
        sys.modules["genai_prices"] = None
        from flujo_otel.usage.process import price
        from flujo_otel.usage.tokens import Usage
        print(price(Usage(5, 5, None, None, 10, "openai", "gpt-4o"), 0))
        """
    )
    assert "None" == said


def test_a_child_forked_while_the_library_is_loaded_can_load_it_too() -> None:
    said = run(
        """
        import os, threading, time, warnings
        warnings.simplefilter("ignore")
        from flujo_otel.usage import library
        thread = threading.Thread(target=library.load)
        thread.start()
        time.sleep(0.05)
        child = os.fork()
        if child == 0:
            os._exit(0 if library.load() is not None else 1)
        thread.join()
        print(os.waitpid(child, 0)[1])
        """
    )
    assert "0" == said


def test_a_fork_does_not_wait_for_ever_for_the_library() -> None:
    """Its child has no prices; it would hang where it imported what is half imported."""
    said = run(
        """
        import os, threading, warnings
        warnings.simplefilter("ignore")
        from flujo_otel.usage import library, loading
        loading.FORK_WAITS_SECONDS = 0.1
        is_loading, is_done = threading.Event(), threading.Event()

        def load():
            with library._loading.alone():
                is_loading.set()
                is_done.wait()

        thread = threading.Thread(target=load)
        thread.start()
        is_loading.wait()
        child = os.fork()
        if child == 0:
            os._exit(0 if library.load() is None else 1)
        print(os.waitpid(child, 0)[1])
        is_done.set()
        thread.join()
        print(library.load() is not None)
        """
    )
    assert "0\nTrue" == said


def test_prices_change_with_time() -> None:
    """Those of the time of the call count, not today's."""
    changed = [
        (provider.id, model)
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
    ]
    assert changed
    for provider_id, model in changed[:50]:
        for at_ns in (1_600_000_000 * 10**9, time.time_ns()):
            found = price(usage(model.id, provider_id), at_ns)
            if found is not None:
                expected = genai_prices.calc_price(
                    genai_prices.Usage(input_tokens=910, output_tokens=120),
                    model.id,
                    provider_id=provider_id,
                    genai_request_timestamp=datetime.fromtimestamp(at_ns / 1e9, UTC),
                )
                assert pytest.approx(float(expected.total_price)) == found
