"""What a span says it cost, else what its tokens cost."""

from collections.abc import Mapping
from typing import Any, Final

from flujo_otel.semconv import flujo, gen_ai
from flujo_otel.usage.process import price
from flujo_otel.usage.tokens import Usage

_NAMES: Final = (flujo.COST_USD, flujo.TOTAL_COST_USD, *gen_ai.COST_USD)
_MOST: Final = 1e15


def stated_cost(attributes: Mapping[str, Any]) -> float | None:
    """In USD, as whoever recorded the span says. Zero is what flujo 0.4 says of an agent's cost
    when it does not know it, so zero is no statement."""
    for name in _NAMES:
        value = attributes.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST:
            return float(value)
    return None


def cost_of(attributes: Mapping[str, Any], usage: Usage | None, at_ns: int) -> float | None:
    """In USD: as stated, else the price of `usage` (None: none) at a time in Unix nanoseconds."""
    stated = stated_cost(attributes)
    if stated is not None or usage is None:
        return stated
    return price(usage, at_ns)
