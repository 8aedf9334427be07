"""What of a Trace or Step made by hand cannot be kept as it is: refused, never altered."""

from typing import Final

from flujo_otel.errors import MalformedTrace
from flujo_otel.storage.traces import Step, Trace

_LARGEST: Final = (1 << 63) - 1


def check(model: Trace | Step) -> None:
    """Raises MalformedTrace that names the field."""
    texts = {"trace_id": model.trace_id, "name": model.name}
    numbers = {"duration_ms": model.duration_ms}
    if isinstance(model, Step):
        texts["step_id"] = model.step_id
        numbers["step_order"] = model.step_order
    for field, text in texts.items():
        if not text and field != "name":
            raise MalformedTrace(
                f"The {field} of {model.name!r} is empty: it needs one to be found."
            )
        if "\0" in text:
            raise MalformedTrace(
                f"The {field} {text!r} has a NUL character, which SQL cannot show."
            )
    for field, number in numbers.items():
        if number is not None and not 0 <= number <= _LARGEST:
            raise MalformedTrace(f"{field} of {model.name!r} must be from 0 to 2**63 - 1.")
