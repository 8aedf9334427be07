"""What the store needs to know of a span beyond OTLP, read off its attributes."""

from collections.abc import Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo, gen_ai

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
        *gen_ai.INPUT_TOKENS,
        *gen_ai.OUTPUT_TOKENS,
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
    attributes: Mapping[str, Any], *, is_root: bool, ended: bool, is_error: bool
) -> Projection:
    """The projection of one span. `is_root`: it has no parent at all."""
    if READ.isdisjoint(attributes):  # most spans; saves ten look-ups
        return _OF_NO_ATTRIBUTES[is_root, ended, is_error]
    named = is_root or flujo.PIPELINE_NAME in attributes
    step = flujo.STEP_TYPE in attributes
    run_id = attributes.get(flujo.RUN_ID)
    return Projection(
        run_id=str(run_id) if run_id else None,
        role=named * Role.RUN_ROOT | step * Role.STEP,
        status=_status(attributes.get(flujo.STATUS), ended=ended, is_error=is_error),
        cost_usd=_number(attributes, flujo.COST_USD, flujo.TOTAL_COST_USD),
        tokens=_tokens(attributes),
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


def _number(attributes: Mapping[str, Any], *names: str) -> float | None:
    """The first of the names that holds a positive number of a size that usage can have: zero is
    what flujo 0.4 says of an agent's cost when it does not know it, so zero is no fact."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, (int, float)) and 0 < value <= _MOST:
            return value
    return None


def _tokens(attributes: Mapping[str, Any]) -> int | None:
    stated = _number(attributes, flujo.TOKENS, flujo.TOTAL_TOKENS)
    if stated is not None:
        return int(stated)
    used = [_number(attributes, *names) for names in (gen_ai.INPUT_TOKENS, gen_ai.OUTPUT_TOKENS)]
    known = [int(count) for count in used if count is not None]
    return sum(known) if known else None
