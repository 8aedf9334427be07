"""The serializers that the program gave a pydantic class, as its core schema has them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_OF_PYDANTIC: Final = frozenset({"pydantic", "pydantic_core"})
"""Whose own serializers, of paths, addresses and the like, mask nothing."""
_MODELS: Final = frozenset({"model", "dataclass"})
_NO_SCHEMAS: Final = frozenset({"config", "default", "metadata"})

_Schema = Mapping[str, Any]


class Serializers(NamedTuple):
    """Which parts of a class serializers of the program's write."""

    whole: bool
    """Whether one writes the class as a whole."""
    fields: frozenset[str]
    """The fields that one writes, or a part of them."""


def serializers_of(kind: Any) -> Serializers:
    """Those of `kind`. Of the classes inside it only where one of its own writes them: read by
    themselves, they have their own."""
    schema = dict(kind.__pydantic_core_schema__)
    definitions = {each["ref"]: each for each in schema.get("definitions", ())}
    is_whole, parts = _parts(schema, definitions)
    own = {name for name, part in parts.items() if _has_own(part, definitions)}
    is_whole = is_whole or ("root" in own and getattr(kind, "__pydantic_root_model__", False))
    return Serializers(is_whole, frozenset(own))


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
    return any(map(_is_own, _schemas(part, definitions)))


def _schemas(part: _Schema, definitions: _Schema) -> Iterator[_Schema]:
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
        if not is_model:
            found += (inner for name, inner in each.items() if name not in _NO_SCHEMAS)
