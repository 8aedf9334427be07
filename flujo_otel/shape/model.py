"""What a pydantic model or dataclass shows of itself.

What hides from its `repr` or from its dump stays hidden, and what its own serializers make of a
field is what is shown. Most classes have none of these: that is decided once for a class, and their
fields are read straight away.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from flujo_otel.interruption import passes
from flujo_otel.shape.hidden import hidden_in, hidden_names
from flujo_otel.shape.own_repr import has_own_repr, says_fields
from flujo_otel.shape.serializers import Serializers, serializers_of

_LEFT_OUT: Final = object()


class Model(NamedTuple):
    """A class of pydantic's models or dataclasses: which of its fields it shows, and how."""

    names: tuple[str, ...]
    """Of the fields that hide neither from the `repr` nor from the dump."""
    covert: frozenset[str]
    """The names of its other fields, computed ones too."""
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
    """What `kind` is as a class of models; None: it has no schema of pydantic's, or a `repr` that
    was written by hand, which is what it shows of itself."""
    if not hasattr(kind, "__pydantic_core_schema__") or has_own_repr(kind):
        return None
    fields = getattr(kind, "__pydantic_fields__", {})
    names = tuple(name for name, item in fields.items() if item.repr and not item.exclude)
    conditions = {name: getattr(fields[name], "exclude_if", None) for name in names}
    return Model(
        names,
        (frozenset(fields) | hidden_names(kind)) - frozenset(names),
        serializers_of(kind),
        {name: leaves_out for name, leaves_out in conditions.items() if leaves_out},
        says_fields(kind),
    )


def shown(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """A model's fields of these names, and what it was given beside its fields. Their values are
    as the model holds them."""
    content = getattr(value, "__dict__", None)
    if content is None:  # a dataclass with slots
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    found = {name: content[name] for name in names if name in content}
    extra = getattr(value, "__pydantic_extra__", None)
    if extra:
        found.update((key, each) for key, each in extra.items() if key[:1] != "_")
    return found


def read(model: Model, value: Any) -> Any:
    """What `value` shows, of a class that is not plain: a dict by field, or whatever else its
    serializer makes of it; its `repr` where only that says what it shows.

    A field whose serializer fails becomes a text that says so. Raises what `__repr_args__`, the
    `repr` and the serializer of the whole raise.
    """
    said = _said(model, value)
    if said is None:
        return repr(value)
    if model.serializers.whole:
        return _whole(model, value, said)
    found = {name: _part(model, value, name, each) for name, each in said.items()}
    return {name: each for name, each in found.items() if each is not _LEFT_OUT}


def _said(model: Model, value: Any) -> dict[str, Any] | None:
    """The fields that its `repr` shows, as it does; None: it shows something without a name."""
    if not model.says_fields:
        return shown(value, model.names)
    said = dict(value.__repr_args__())
    if None in said:
        return None
    return {name: each for name, each in said.items() if name not in model.covert}


def _part(model: Model, value: Any, name: str, said: Any) -> Any:
    """One field, as its serializer has it; `said`: as the `repr` has it."""
    try:
        leaves_out = model.conditions.get(name)
        if leaves_out is not None and leaves_out(said):
            return _LEFT_OUT
        if name in model.serializers.fields and said is getattr(value, name, said):
            hidden = hidden_in(said)
            # A serializer of a secret is there to lay it open.
            if not hidden.masks:
                return _without(_dumped(value, {name}).get(name, _LEFT_OUT), hidden.names)
    except BaseException as error:  # of a serializer: the other fields can be shown
        if passes(error):
            raise
        return f"<{name} cannot be shown: {type(error).__name__}>"
    return said


def _whole(model: Model, value: Any, said: Mapping[str, Any]) -> Any:
    """What the serializer of the class makes of `value`, without what hides; `said`: the fields as
    the `repr` has them."""
    dumped = _dumped(value, None)
    if not isinstance(dumped, dict):
        all_of_it = hidden_in(list(said.values()))
        return dict(said) if all_of_it.masks else _without(dumped, all_of_it.names)
    fields = {*model.names, *model.covert}
    found = {}
    for name, each in dumped.items():
        if name in said:
            hidden = hidden_in(said[name])
            shows_itself = said[name] is not getattr(value, name, each) or hidden.masks
            found[name] = said[name] if shows_itself else _without(each, hidden.names)
        elif name not in fields:
            found[name] = each
    return found


def _dumped(value: Any, names: set[str] | None) -> Any:
    """By pydantic, as JSON would have it: a field may be masked there only."""
    dump = type(value).__pydantic_serializer__.to_python
    try:
        return dump(
            value, mode="json", include=names, by_alias=False, warnings=False, fallback=repr
        )
    except Exception as error:
        # Pydantic's own hides what the serializer raised, be it the program's cancellation.
        raise error.__cause__ or error from None


def _without(data: Any, names: frozenset[str]) -> Any:
    """What pydantic made of models inside, without the fields that hide from their `repr`."""
    if not names:
        return data
    if isinstance(data, dict):
        return {key: _without(each, names) for key, each in data.items() if key not in names}
    return [_without(each, names) for each in data] if isinstance(data, list) else data
