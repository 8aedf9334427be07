"""A schema describes a field and holds no secret, whatever its name: what is left alone.

before: {"password": {"type": "string"}}
after:  {"password": {"type": "string"}}
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_TYPES: Final = ("string", "number", "integer", "object", "array", "boolean")
_IN_TEXT: Final = re.compile(
    r"""\{(?![^{}\[\]]{0,400}["'](?:value|default)\\*["']\s{0,8}:\s{0,8}\\*["'][^"'\\])"""
    rf"""[^{{}}\[\]]{{0,400}}?(["'])type\\*\1\s{{0,8}}:\s{{0,8}}\\*["'](?:{"|".join(_TYPES)})\\*["']"""
)


def describes(field: Mapping[Any, Any]) -> bool:
    """Whether `field` is a schema, which gives no value itself."""
    is_given = field.get("value") or field.get("default")
    return field.get("type") in _TYPES and not is_given


def begins_schema(text: str, start: int) -> bool:
    """The same of the object in `text` that begins at `start`."""
    return _IN_TEXT.match(text, start) is not None
