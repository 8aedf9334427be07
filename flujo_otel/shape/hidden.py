"""What hides inside a value from its own `repr`, which pydantic's dump may lay open.

Looked for in the value, not in what its field is declared to hold: that may be `Any`, a base class
or an alias.
"""

from collections import deque
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any, Final, NamedTuple

from flujo_otel.shape.own_repr import has_own_repr, says_fields

_MOST_VALUES: Final = 1000
_PLAIN: Final = (str, int, float, bool, bytes, type(None))
_CONTAINERS: Final = (list, tuple, deque, Set)


class Hidden(NamedTuple):
    """What of a value is not to be shown."""

    names: frozenset[str]
    """The fields that classes of models and dataclasses in it hide."""
    masks: bool
    """Whether something in it has a way of its own to be shown, as a SecretStr has; or there was
    too much to look through."""


def hidden_in(value: Any) -> Hidden:
    """What hides in `value` at any depth, up to 1000 values. May raise what its classes raise."""
    names: set[str] = set()
    waiting, seen = [value], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, _PLAIN) or id(each) in seen:
            continue
        seen.add(id(each))
        if len(seen) > _MOST_VALUES or masks_itself(each):
            return Hidden(frozenset(names), masks=True)
        if isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, _CONTAINERS):
            waiting += each
        else:
            names |= hidden_names(type(each))
            waiting += _parts(each)
    return Hidden(frozenset(names), masks=False)


def masks_itself(value: Any) -> bool:
    """Whether its class says by itself what it shows: its fields are not to be read then."""
    kind = type(value)
    if hasattr(kind, "get_secret_value"):
        return True
    return _has_fields(kind) and (has_own_repr(kind) or says_fields(kind))


def hidden_names(kind: Any) -> set[str]:
    """The fields of a class that its `repr` leaves out, computed ones too."""
    declared = getattr(kind, "__pydantic_fields__", {})
    names = {name for name, item in declared.items() if not item.repr}
    computed = getattr(getattr(kind, "__pydantic_decorators__", None), "computed_fields", {})
    names |= {name for name, item in computed.items() if not item.info.repr}
    if is_dataclass(kind):
        names |= {field.name for field in fields(kind) if not field.repr}
    return names


def _has_fields(kind: Any) -> bool:
    return hasattr(kind, "__pydantic_core_schema__") or is_dataclass(kind)


def _parts(value: Any) -> list[Any]:
    kind = type(value)
    if not _has_fields(kind):
        return []
    names = [*getattr(kind, "__pydantic_fields__", ()), *getattr(kind, "__dataclass_fields__", ())]
    extra = getattr(value, "__pydantic_extra__", None) or {}
    return [*(getattr(value, name, None) for name in names), *extra.values()]
