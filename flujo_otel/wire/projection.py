"""What the store needs to know of a span beyond OTLP, read off its attributes."""

from collections.abc import Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo, gen_ai
from flujo_otel.usage import tokens
from flujo_otel.usage.cost import cost_of
from flujo_otel.wire.values import clean_text

_MOST = 1e15
_STATED = frozenset({"completed", "failed", "paused"})
READ = frozenset(
    {
        flujo.RUN_ID,
        flujo.PIPELINE_NAME,
        flujo.STEP_TYPE,
        flujo.STATUS,
        flujo.COST_USD,
        flujo.TOTAL_COST_USD,
        flujo.TOKENS,
        flujo.TOTAL_TOKENS,
        *gen_ai.COST_USD,
        *tokens.READ,
    }
)
"""The attributes that `project` looks at; most spans have none of them."""


class Projection(NamedTuple):
    """See the fields of the same names in `model.SpanRecord`."""

    run_id: str | None
    role: int
    status: str
    cost_usd: float | None
    tokens: int | None


def project(
    attributes: Mapping[str, Any], *, is_root: bool, ended: bool, is_error: bool, at_ns: int = 0
) -> Projection:
    """The projection of one span. `is_root`: it has no parent at all. `at_ns`: when it started, by
    which its price goes (Unix, nanoseconds)."""
    if READ.isdisjoint(attributes):  # most spans; saves ten look-ups
        return _OF_NO_ATTRIBUTES[is_root, ended, is_error]
    named = is_root or flujo.PIPELINE_NAME in attributes
    step = flujo.STEP_TYPE in attributes
    run_id = attributes.get(flujo.RUN_ID)
    used = tokens.usage_of(attributes)
    return Projection(
        run_id=clean_text(str(run_id)) if run_id else None,
        role=named * Role.RUN_ROOT | step * Role.STEP,
        status=_status(attributes.get(flujo.STATUS), ended=ended, is_error=is_error),
        cost_usd=cost_of(attributes, used, at_ns),
        tokens=_stated_tokens(attributes) or (used.total_tokens if used is not None else None),
    )


def _status(stated: Any, *, ended: bool, is_error: bool) -> str:
    if not ended:
        return "running"
    if isinstance(stated, str) and stated in _STATED:
        return stated
    return "failed" if is_error else "completed"


_OF_NO_ATTRIBUTES: Final = {
    (is_root, ended, is_error): Projection(
        None,
        int(Role.RUN_ROOT if is_root else Role.PLAIN),
        _status(None, ended=ended, is_error=is_error),
        None,
        None,
    )
    for is_root, ended, is_error in product((False, True), repeat=3)
}


def _stated_tokens(attributes: Mapping[str, Any]) -> int | None:
    """flujo's own count; zero is what flujo 0.4 says of an agent when it does not know it."""
    for name in (flujo.TOKENS, flujo.TOTAL_TOKENS):
        value = attributes.get(name)
        if isinstance(value, int | float) and 0 < value <= _MOST:
            return int(value)
    return None
