"""The serializers that the program gave a pydantic class, as its core schema has them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, NamedTuple, get_args

_OF_PYDANTIC: Final = frozenset({"pydantic", "pydantic_core"})
"""Whose own serializers, of paths, addresses and the like, mask nothing."""
_MODELS: Final = frozenset({"model", "dataclass"})
_NO_SCHEMAS: Final = frozenset({"config", "default", "metadata"})

_Schema = Mapping[str, Any]


class Serializers(NamedTuple):
    whole: bool
    """Whether one writes the class as a whole."""
    fields: frozenset[str]
    """The fields that one writes, or a part of them."""
    hidden: frozenset[str]
    """The fields that the classes inside these hide from their `repr`: pydantic's dump does not."""


def serializers_of(kind: Any) -> Serializers:
    """Those of `kind`. Of the classes inside it only where one of its own writes them: read by
    themselves, they have their own."""
    schema = dict(kind.__pydantic_core_schema__)
    definitions = {each["ref"]: each for each in schema.get("definitions", ())}
    is_whole, parts = _parts(schema, definitions)
    own = {name for name, part in parts.items() if _has_own(part, definitions)}
    is_whole = is_whole or ("root" in own and getattr(kind, "__pydantic_root_model__", False))
    written = parts.values() if is_whole else [parts[name] for name in own]
    hidden = {name for part in written for name in _hidden_in(part, definitions)}
    return Serializers(is_whole, frozenset(own), frozenset(hidden))


def masks_itself(annotation: Any) -> bool:
    """Whether values of this type mask themselves: SecretStr and its kin."""
    is_secret = hasattr(annotation, "get_secret_value")
    return is_secret or any(map(masks_itself, get_args(annotation)))


def _parts(schema: _Schema, definitions: _Schema) -> tuple[bool, dict[str, _Schema]]:
    """Whether a serializer stands around the fields of the class, and the fields' schemas."""
    is_whole = False
    while True:
        is_whole = is_whole or _is_own(schema)
        match schema:
            case {"type": "definition-ref"}:
                schema = definitions[schema["schema_ref"]]
            case {"type": "model-fields"}:
                return is_whole, schema["fields"]
            case {"type": "dataclass-args"}:
                return is_whole, {field["name"]: field for field in schema["fields"]}
            case {"root_model": True}:
                return is_whole, {"root": schema["schema"]}
            case {"schema": inner}:
                schema = inner
            case _:
                return is_whole, {}


def _is_own(schema: _Schema) -> bool:
    function = (schema.get("serialization") or {}).get("function")
    module = getattr(function, "__module__", None) or ""
    return function is not None and module.partition(".")[0] not in _OF_PYDANTIC


def _has_own(part: _Schema, definitions: _Schema) -> bool:
    return any(map(_is_own, _schemas(part, definitions, into_models=False)))


def _hidden_in(part: _Schema, definitions: _Schema) -> Iterator[str]:
    for schema in _schemas(part, definitions, into_models=True):
        kind = schema.get("cls") if schema.get("type") in _MODELS else None
        declared: Iterable[Any] = getattr(kind, "__pydantic_fields__", {}).items()
        yield from (name for name, it in declared if not it.repr or masks_itself(it.annotation))
        if is_dataclass(kind):
            yield from (field.name for field in fields(kind) if not field.repr)


def _schemas(part: _Schema, definitions: _Schema, *, into_models: bool) -> Iterator[_Schema]:
    """`part` and all schemas in it, each once."""
    seen: set[int] = set()
    found: list[Any] = [part]
    while found:
        each = found.pop()
        if isinstance(each, list | tuple):
            found += each
        if not isinstance(each, dict) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        found.append(definitions.get(each.get("schema_ref", "")))
        is_model = each.get("type") in _MODELS and hasattr(each["cls"], "__pydantic_core_schema__")
        if into_models or not is_model:
            found += (inner for name, inner in each.items() if name not in _NO_SCHEMAS)
