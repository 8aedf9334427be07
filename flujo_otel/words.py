"""What a value says of itself."""

from flujo_otel.interruption import passes


def words_of(value: object) -> str:
    """`str(value)`; what its class and its fault are called where its own code fails."""
    try:
        return str(value)
    except BaseException as fault:
        if passes(fault):
            raise
        return f"<{type(value).__name__}: {type(fault).__name__} in str()>"
