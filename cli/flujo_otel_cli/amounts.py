"""Money, tokens, bytes and counts as a person reads them."""

from math import floor, log10
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flujo_otel.spanstore.destinations import Cursor

_MOST_DIGITS: Final = 9
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def cost(usd: float | None, *, at_least: bool = False) -> str | None:
    """`$0.013`, `$1.25`, `$0.00042`; `$0.013+` for at least; None for nothing."""
    if not usd:
        return None
    return _dollars(usd) + ("+" if at_least else "")


def _dollars(usd: float) -> str:
    if abs(usd) >= 1:
        return f"${usd:,.2f}"
    if abs(usd) >= 0.01:
        return f"${usd:.2f}" if abs(usd) >= 0.1 else f"${usd:.3f}"
    # Two digits that count, and no exponent: $0.000027.
    digits = 1 - floor(log10(abs(usd)))
    return f"${usd:.{digits}f}" if digits <= _MOST_DIGITS else f"${usd:.1e}"


def count(number: int | None) -> str | None:
    """`3,410`; None for nothing."""
    return f"{number:,}" if number else None


def plural(number: int, noun: str) -> str:
    """`1 span`, `14 spans`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def lag(cursor: "Cursor") -> str:
    """Spans that a destination is behind: `12`, `100,000+` where they are no longer counted."""
    from flujo_otel.spanstore.destinations import LAG_COUNTED  # most commands know none

    return f"{cursor.lag:,}{'+' if cursor.lag >= LAG_COUNTED else ''}"


def size(number: float) -> str:
    """`412 MB`, in powers of 1,000."""
    power = 0
    while abs(number) >= 999.5 and power < len(_UNITS) - 1:
        number /= 1000
        power += 1
    unit = _UNITS[power]
    return f"{number:.1f} {unit}" if number < 10 and power else f"{number:.0f} {unit}"
