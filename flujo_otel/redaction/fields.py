"""Secrets whose name is the value of the field beside, in either order, in a text and in data.

before: {"name": "password", "value": "hunter"}
after:  {"name": "password", "value": "[REDACTED]"}
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from flujo_otel.redaction import vocabulary
from flujo_otel.redaction.evidence import is_folder
from flujo_otel.redaction.keys import Keys, joined
from flujo_otel.redaction.naming import NAMINGS, Naming

_NAMING_FIELDS: Final = (
    "name",
    "key",
    "Name",
    "Key",
    "header",
    "field",
    "label",
    "id",
    "param",
    "parameter",
    "variable",
    "attribute",
    "property",
    "type",
)
_NAME_LIMIT: Final = 48
_PIECE: Final = "token"
_LOG_PROBABILITY: Final = "logprob"
"""Beside it a `token` is a piece of a model's answer."""
BESIDE: Final = r"""(?:(?:,\s*+\\*["'])?+(?:value|Value|VALUE)s?(?:\\*["'])?+\s*+[:=])"""
"""Between the name and its value, where the one is the field before the other; see `is_beside`."""
_FIELD_BEFORE: Final = re.compile(
    rf"""\b((?i:{"|".join(sorted({name.lower() for name in _NAMING_FIELDS}))}))"""
    r"""(?:\\*["'])?\s{0,8}[:=]\s{0,8}(?:\\*["'])?\Z"""
)
_FIELD_ROOM: Final = 32
_SAID: Final = re.compile(r"""(?:VALUE|[Vv]alue)s?\\*["']""")


def is_beside(text: str, start: int, name: str, naming: Naming) -> bool:
    """Whether `name`, which begins at `start`, is the value of a field that names another."""
    field = _FIELD_BEFORE.search(text, max(0, start - _FIELD_ROOM), start)
    return field is not None and _is_named(field[1].lower(), name.strip(), naming)


def says_value(text: str) -> bool:
    """Whether a text in JSON may have a field `value`."""
    return ("alue" in text or "VALUE" in text) and _SAID.search(text) is not None


def asks_beside(key: str, naming: Naming) -> bool:
    """Whether what `key` says of its value, which is `naming` by itself, depends on the fields
    beside it."""
    return naming is Naming.BESIDE or (key == _PIECE and naming in NAMINGS)


def naming_among(
    key: str, naming: Naming, fields: Mapping[Any, Any], value: Any, keys: Keys
) -> Naming:
    """What `key` says of its `value`: by itself it is `naming`, and it stands among `fields`."""
    if naming is Naming.BESIDE:
        return _naming_beside(fields, value, keys)
    is_piece = key == _PIECE and naming in NAMINGS and _LOG_PROBABILITY in fields
    is_ordinary = is_piece or (naming is Naming.STRONG and is_folder(key, value))
    return Naming.ORDINARY if is_ordinary else naming


def _naming_beside(fields: Mapping[Any, Any], value: Any, keys: Keys) -> Naming:
    """What the other `fields` say of `value`, that of a field `value`."""
    for field in _NAMING_FIELDS:
        name = fields.get(field)
        if type(name) is not str or len(name) > _NAME_LIMIT:
            continue
        naming = keys.naming(name)
        is_option = isinstance(value, str) and joined(value) == joined(name)
        if naming in NAMINGS and _is_named(field, name, naming) and not is_option:
            return naming
    return Naming.ORDINARY


def _is_named(field: str, name: str, naming: Naming) -> bool:
    """Not by a title, as "Forgot my password" is; a `token` may be one of a text."""
    is_title = " " in name and joined(name) not in vocabulary.STRONG
    return not is_title and (field != "type" or naming is Naming.STRONG)
