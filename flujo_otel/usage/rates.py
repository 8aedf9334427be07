"""What tokens of a model cost, and the settings that say so."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from flujo_otel.errors import SettingsError
from flujo_otel.settings import PRICES_TABLE, PRICES_VARIABLE, Settings

_KEYS: Final = ("input", "output", "cache_read", "cache_write")
_MILLION: Final = 1_000_000


class PaidTokens(NamedTuple):
    """Tokens to be paid for; the input includes the cached."""

    input: int
    output: int | None
    """None: not told, as of an embedding."""
    cache_read: int
    cache_write: int


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens."""

    input: float
    output: float | None
    """None: the model gives no output that is paid for."""
    cache_read: float
    cache_write: float

    def price(self, paid: PaidTokens) -> float | None:
        """In USD. None where there is output that nobody says the price of, or output to be paid
        for that nobody has counted."""
        plain = max(paid.input - paid.cache_read - paid.cache_write, 0)
        whole = plain * self.input
        whole += paid.cache_read * self.cache_read + paid.cache_write * self.cache_write
        if paid.output:
            if self.output is None:
                return None
            whole += paid.output * self.output
        elif paid.output is None and self.output:
            return None
        return whole / _MILLION


def rates_of(settings: Settings) -> dict[str, Rates]:
    """The `[prices."MODEL"]` tables by model; those of FLUJO_OTEL_PRICES, a JSON object of the same
    shape, before those of flujo.toml. Raises SettingsError."""
    tables = dict(_checked_tables(settings.prices, f"{settings.toml} [{PRICES_TABLE}]"))
    tables |= _checked_tables(_of_variable(), PRICES_VARIABLE)
    return tables


def _of_variable() -> Any:
    text = os.environ.get(PRICES_VARIABLE)
    if not text:
        return {}
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f'{PRICES_VARIABLE} is no JSON ({error}); it must be {{"MODEL": {{"input": 1.0,'
            ' "output": 2.0}, ...}, in USD per million tokens.'
        ) from None


def _checked_tables(given: Any, origin: str) -> dict[str, Rates]:
    if not isinstance(given, Mapping):
        raise SettingsError(f"The prices ({origin}) must be tables, one for each model.")
    return {str(model): _rates(table, f"{model!r} ({origin})") for model, table in given.items()}


def _rates(table: Any, where: str) -> Rates:
    if not isinstance(table, Mapping) or "input" not in table:
        raise SettingsError(f"The price of {where} must have input, and output if it gives any.")
    for key, value in table.items():
        if key not in _KEYS:
            raise SettingsError(
                f"No key {key!r} in the price of {where}; there are {', '.join(_KEYS)}."
            )
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= sys.float_info.max:
            raise SettingsError(
                f"{key} of the price of {where} is {value!r}; it must be USD per million tokens."
            )
    given = float(table["input"])
    output = float(table["output"]) if "output" in table else None
    read, write = (float(table.get(key, given)) for key in _KEYS[2:])
    return Rates(given, output, read, write)
