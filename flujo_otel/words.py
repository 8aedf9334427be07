"""What a value says of itself."""

from math import isnan

from flujo_otel.interruption import passes


def words_of(value: object) -> str:
    """`str(value)`; what its class and its fault are called where its own code fails."""
    try:
        return str(value)
    except BaseException as fault:
        if passes(fault):
            raise
        return f"<{type(value).__name__}: {type(fault).__name__} in str()>"


def words_of_non_finite(value: float) -> str:
    """A NaN or an infinity, for which JSON has no number, as all JSON of ours has it: `NaN`,
    `Infinity` or `-Infinity` (docs/spans.md)."""
    if isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
