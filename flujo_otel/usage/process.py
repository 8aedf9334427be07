"""The process's prices: what the settings say, else genai-prices."""

from flujo_otel import guard, settings
from flujo_otel.errors import SettingsError
from flujo_otel.usage.library import library_price
from flujo_otel.usage.rates import PaidTokens, Rates, rates_of
from flujo_otel.usage.tokens import Usage

_stated: dict[str, Rates] | None = None


def price(usage: Usage, at_ns: int) -> float | None:
    """What `usage` cost in USD at a time (Unix, nanoseconds); None where that is not known.

    All that costs must be known: a total without its split has no price. The first call of a model
    without a price in the settings takes 0.4 s (see `library`).
    """
    if usage.input_tokens is None or not usage.model:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    paid = PaidTokens(usage.input_tokens, usage.output_tokens, read, write)
    rates = _rates()
    found = rates.get(usage.model) or rates.get(usage.request_model)
    if found is not None:
        return found.price(paid)
    with guard.guarded("looking a price up"):
        return library_price(usage, paid, at_ns)
    return None


def use(rates: dict[str, Rates] | None) -> None:
    """Price by `rates` from now on, before genai-prices; None: as the settings say."""
    global _stated
    _stated = rates


def _rates() -> dict[str, Rates]:
    global _stated
    if _stated is None:
        try:
            _stated = rates_of(settings.load())
        except SettingsError as error:
            guard.report("reading the settings of the prices", error)
            _stated = {}
    return _stated
