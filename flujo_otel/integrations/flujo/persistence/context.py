"""A run's context, written out."""

from functools import lru_cache
from typing import Any

from flujo_otel.interruption import passes
from flujo_otel.storage.state_rows import whole_context


def written_context(context: Any, status: Any) -> str | None:
    """The whole of it, as it is now; None: as flujo has it."""
    if context is None:
        return None
    kind: Any = type(context)
    try:
        fields = kind.__pydantic_serializer__.to_python(context, warnings=False)
    except BaseException as error:  # a value that contains itself
        if passes(error):
            raise
        return None
    computed = _computed_of(kind)
    if computed:
        fields = {name: value for name, value in fields.items() if name not in computed}
    return whole_context(fields, status)


@lru_cache(maxsize=256)
def _computed_of(kind: Any) -> frozenset[str]:
    """The fields of a context of this class that it has from others: a property of pydantic's."""
    return frozenset(kind.model_computed_fields)
