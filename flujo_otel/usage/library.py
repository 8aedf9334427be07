"""Prices from genai-prices, of what is in its package: it never goes to the network here.

To import it takes 0.34 s of CPU, so it is loaded for the first call that has to be priced, on the
thread that writes.
"""

import concurrent.futures.thread  # noqa: F401  # see `_loading`
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from flujo_otel.usage.late_import import possible_at_exit
from flujo_otel.usage.loading import Loading
from flujo_otel.usage.rates import PaidTokens, Rates
from flujo_otel.usage.tokens import Usage

_ALIASES: Final = {
    "x_ai": "x-ai",
    "azure.ai.inference": "azure",
    "az.ai.inference": "azure",
}
"""OpenTelemetry's names of providers that genai-prices does not know by that name."""
_NO_PROVIDERS: Final = frozenset(
    {"litellm", "langchain", "llama_index", "llamaindex", "strands-agents", "pydantic_ai"}
)
"""Who only passes a call on: the model's name decides."""
_MARKS: Final = (b"gen_ai.usage.", b"llm.token_count.", b"llm.usage.")

_loading: Final = Loading()
"""At a fork it is waited for after the locks of what was imported later. So logging and
concurrent.futures are imported before: what is loaded under this one takes theirs."""


class Library(NamedTuple):
    """What of genai-prices is used."""

    find: Callable[..., Any]
    """(model, provider, provider's id, its URL) to (provider, model); raises LookupError."""
    tiered: type
    """Of a price that goes by the number of tokens."""
    usage: Callable[..., Any]


@lru_cache(maxsize=1)
def load() -> Library | None:
    """The library, imported; None where it is not installed, or never can be imported."""
    with _loading.alone() as is_possible, possible_at_exit():
        if not is_possible:
            return None
        try:
            from genai_prices import Usage as LibraryUsage
            from genai_prices.data_snapshot import get_snapshot
            from genai_prices.types import TieredPrices
        except ImportError:
            return None
        return Library(get_snapshot().find_provider_model, TieredPrices, LibraryUsage)


def is_installed() -> bool:
    """Whether it is there, without loading it."""
    return find_spec("genai_prices") is not None


def may_load(request: bytes) -> bool:
    """Whether to price the spans of an OTLP request may take as long as to import the library."""
    return not load.cache_info().currsize and any(mark in request for mark in _MARKS)


def library_price(usage: Usage, paid: PaidTokens, at_ns: int) -> float | None:
    """The price of `paid`, in USD; None: unknown."""
    for model in dict.fromkeys((usage.model, usage.request_model)):
        found = _found(usage.provider, model) if model else None
        if found is not None:
            return found.price(paid, at_ns)
    return None


class _Model:
    """A model that genai-prices knows."""

    def __init__(self, library: Library, provider: Any, model: Any) -> None:
        self._library = library
        self._provider = provider
        self._model = model
        self._always = self._flat(model.prices) if not isinstance(model.prices, list) else None

    def price(self, paid: PaidTokens, at_ns: int) -> float | None:
        """None where the library has no price for what was used."""
        if self._always is not None:
            return self._always.price(paid)
        at = datetime.fromtimestamp(at_ns / 1e9, UTC)
        prices = self._model.get_prices(at)
        flat = self._flat(prices)
        if flat is not None:
            return flat.price(paid)
        if getattr(prices, "input_mtok", None) is None:
            return None
        if paid.output is None and getattr(prices, "output_mtok", None) is not None:
            return None
        used = self._library.usage(
            input_tokens=paid.input,
            output_tokens=paid.output,
            cache_read_tokens=paid.cache_read,
            cache_write_tokens=paid.cache_write,
        )
        found = self._model.calc_price(used, self._provider, genai_request_timestamp=at)
        return float(found.total_price)

    def _flat(self, prices: Any) -> Rates | None:
        """The same without the library's own arithmetic, which takes 70 us; None where a token's
        price goes by how many there are, or a request has its price."""
        named = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
        given, output, read, write = (getattr(prices, name, None) for name in named)
        by_number = any(isinstance(each, self._library.tiered) for each in prices.__dict__.values())
        if given is None or by_number or getattr(prices, "requests_kcount", None) is not None:
            return None
        return Rates(
            float(given),
            None if output is None else float(output),
            float(given if read is None else read),
            float(given if write is None else write),
        )


@lru_cache(maxsize=1024)
def _found(provider: str, model: str) -> _Model | None:
    library = load()
    if library is None:
        return None
    named = provider.strip().lower()
    try:
        return _Model(
            library,
            *library.find(
                model,
                None,
                None if named in _NO_PROVIDERS or not named else _ALIASES.get(named, named),
                None,
            ),
        )
    except LookupError:
        return None
