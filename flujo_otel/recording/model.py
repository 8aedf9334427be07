"""What a pydantic model or dataclass shows of itself.

What hides from its `repr` or from its dump stays hidden, and what its own serializers make of a
field is what is shown. Most classes have none of these: that is decided once for a class, and their
fields are read straight away.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any, Final, NamedTuple

from flujo_otel.interruption import passes
from flujo_otel.recording.serializers import Serializers, masks_itself, serializers_of

_BRIEF: Final = frozenset({"pydantic", "langchain_core", "flujo", "pydantic_ai", "pydantic_graph"})
"""Packages whose own `repr` leaves out what is empty or at its default, and hides nothing: as
fields these values say more."""
_GENERATED: Final = "<string>"
"""Where dataclasses have the code of the `repr` that they write."""


_LEFT_OUT: Final = object()


class Model(NamedTuple):
    """A class of models."""

    names: tuple[str, ...]
    """Of the fields that hide neither from the `repr` nor from the dump."""
    covert: frozenset[str]
    """The names of its other fields."""
    masked: frozenset[str]
    """The names of the fields with a value that masks itself (SecretStr): a serializer of one is
    there to lay it open."""
    serializers: Serializers
    conditions: Mapping[str, Callable[[Any], bool]]
    """Of fields that hide from the dump now and then: where it says so of the value."""
    says_fields: bool
    """Whether it says by itself (`__repr_args__`) which fields it shows, and how."""

    @property
    def is_plain(self) -> bool:
        """Whether its fields are what it shows."""
        written = self.serializers.whole or self.serializers.fields
        return not (written or self.conditions or self.says_fields)


@lru_cache(maxsize=1024)
def model_of(kind: Any) -> Model | None:
    """None: it is no class of models, or one with a `repr` of its own, which shows it."""
    if not hasattr(kind, "__pydantic_core_schema__") or has_own_repr(kind):
        return None
    fields = getattr(kind, "__pydantic_fields__", {})
    names = tuple(name for name, item in fields.items() if item.repr and not item.exclude)
    masked = frozenset(name for name, item in fields.items() if masks_itself(item.annotation))
    found = serializers_of(kind)
    conditions = {name: getattr(fields[name], "exclude_if", None) for name in names}
    return Model(
        names,
        frozenset(fields) - frozenset(names),
        masked,
        found._replace(fields=found.fields - masked),
        {name: leaves_out for name, leaves_out in conditions.items() if leaves_out},
        _is_own(getattr(kind, "__repr_args__", None)),
    )


def has_own_repr(kind: Any) -> bool:
    """Whether its `repr` was written by hand, to hide something or to be brief."""
    return _is_own(kind.__repr__)


def _is_own(function: Any) -> bool:
    if not isinstance(function, FunctionType):
        return False
    inner = getattr(function, "__wrapped__", function)
    code = getattr(inner, "__code__", None)
    is_generated = code is not None and code.co_filename == _GENERATED
    return not is_generated and function.__module__.partition(".")[0] not in _BRIEF


def shown(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """A model's fields of these names, and what else it was given."""
    content = getattr(value, "__dict__", None)
    if content is None:  # a dataclass with slots
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    found = {name: content[name] for name in names if name in content}
    extra = getattr(value, "__pydantic_extra__", None)
    if extra:
        found.update((key, each) for key, each in extra.items() if key[:1] != "_")
    return found


def read(model: Model, value: Any) -> Any:
    """A value of a class that is not plain: the mapping that it shows, or what else it is dumped
    as."""
    said = _said(model, value)
    if said is None:
        return repr(value)
    if model.serializers.whole:
        return _whole(model, value, said)
    found = {name: _part(model, value, name, each) for name, each in said.items()}
    return {name: each for name, each in found.items() if each is not _LEFT_OUT}


def _said(model: Model, value: Any) -> dict[str, Any] | None:
    """The fields that its `repr` shows, as it does; None: not all of them by name."""
    if not model.says_fields:
        return shown(value, model.names)
    said = dict(value.__repr_args__())
    if None in said:
        return None
    return {name: each for name, each in said.items() if name not in model.covert}


def _part(model: Model, value: Any, name: str, said: Any) -> Any:
    try:
        leaves_out = model.conditions.get(name)
        if leaves_out is not None and leaves_out(said):
            return _LEFT_OUT
        if name in model.serializers.fields and said is getattr(value, name, said):
            return _dumped(model, value, {name}).get(name, _LEFT_OUT)
    except BaseException as error:  # of a serializer: the other fields can be shown
        if passes(error):
            raise
        return f"<{name} cannot be shown: {type(error).__name__}>"
    return said


def _whole(model: Model, value: Any, said: Mapping[str, Any]) -> Any:
    dumped = _dumped(model, value, None)
    if not isinstance(dumped, dict):
        return dumped
    fields = {*model.names, *model.covert}
    found = {}
    for name, each in dumped.items():
        if name in said:
            is_changed = said[name] is not getattr(value, name, each)
            found[name] = said[name] if is_changed or name in model.masked else each
        elif name not in fields:
            found[name] = each
    return found


def _dumped(model: Model, value: Any, names: set[str] | None) -> Any:
    """By pydantic, as JSON would have it: a field may be masked there only."""
    dump = type(value).__pydantic_serializer__.to_python
    try:
        found = dump(
            value, mode="json", include=names, by_alias=False, warnings=False, fallback=repr
        )
    except Exception as error:
        # Pydantic's own hides what the serializer raised, be it the program's cancellation.
        raise error.__cause__ or error from None
    return _without(found, model.serializers.hidden) if model.serializers.hidden else found


def _without(data: Any, names: frozenset[str]) -> Any:
    """What pydantic made of models inside, without the fields that hide from their `repr`."""
    if isinstance(data, dict):
        return {key: _without(each, names) for key, each in data.items() if key not in names}
    return [_without(each, names) for each in data] if isinstance(data, list) else data
