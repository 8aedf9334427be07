"""What model calls used and what that cost (docs/usage.md)."""

from flujo_otel.usage.cost import cost_of, stated_cost
from flujo_otel.usage.library import may_load
from flujo_otel.usage.process import price
from flujo_otel.usage.tokens import READ, Usage, usage_of

__all__ = ["READ", "Usage", "cost_of", "may_load", "price", "stated_cost", "usage_of"]
