"""Whether a class says by itself how it is shown."""

from types import FunctionType
from typing import Any, Final

_BRIEF: Final = frozenset(
    {"pydantic", "langchain_core", "flujo", "pydantic_ai", "pydantic_graph", "collections", "enum"}
)
"""Packages whose own `repr` leaves out what is empty or at its default, and hides nothing: as
fields these values say more."""
_GENERATED: Final = "<string>"
"""Where dataclasses have the code of the `repr` that they write."""


def has_own_repr(kind: Any) -> bool:
    """Whether its `repr` was written by hand, to hide something or to be brief."""
    return _is_own(kind.__repr__)


def says_fields(kind: Any) -> bool:
    """Whether it says by itself (pydantic's `__repr_args__`) which fields it shows, and how."""
    return _is_own(getattr(kind, "__repr_args__", None))


def _is_own(function: Any) -> bool:
    if not isinstance(function, FunctionType):
        return False
    inner = getattr(function, "__wrapped__", function)
    code = getattr(inner, "__code__", None)
    is_generated = code is not None and code.co_filename == _GENERATED
    return not is_generated and function.__module__.partition(".")[0] not in _BRIEF
