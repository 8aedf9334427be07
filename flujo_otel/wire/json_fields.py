"""The fields of OTLP's JSON, each read by its type: null is absent, and absent is the default.

A value that is not of its field's type is a BadValue; its text names the field, never the value,
which is somebody's data.

What is a message in protobuf is read as the fields that it has, for the constructor of the message
around it: to make each by itself, and copy it into the next, took three times as long.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

from flujo_otel.wire.values import clean_text

Fields = Mapping[str, Any]
Message = dict[str, Any]
"""Of protobuf, by its own names."""

LONGEST_INTEGER: Final = 40
"""Digits, as text or as a number; 64 bits have 20."""
_DEEPEST: Final = 93
"""Messages within one another in a value: an array counts two, a map three. protobuf's parser takes
100 in a request, so that whatever is stored can be sent on."""
_SPELLED: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


Reader = Callable[[Fields, str], Any]
"""Reads one field, by its name in JSON."""


class BadValue(ValueError):
    """`name` is not what it has to be."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(f"{name} that is not {wanted}")


def message(fields: Fields, known: Mapping[str, tuple[str, Reader]]) -> Message:
    """What there is of the `known` fields, which are given by their names in JSON: the name in
    protobuf, and how it is read."""
    found = {}
    for name, value in fields.items():
        if value is not None and name in known:
            field, read = known[name]
            found[field] = read(fields, name)
    return found


def text(fields: Fields, name: str) -> str:
    """A string. Lone surrogates, which JavaScript makes when it cuts one, become their escapes."""
    value = fields.get(name)
    if value is None:
        return ""
    if type(value) is not str:
        raise BadValue(name, "a string")
    return value if value.isascii() else clean_text(value)


def hexadecimal(fields: Fields, name: str) -> bytes:
    """An id, of either case."""
    value = fields.get(name)
    if value is None:
        return b""
    try:
        decoded = bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise BadValue(name, "hexadecimal") from error
    if len(decoded) * 2 != len(value):  # fromhex skips spaces
        raise BadValue(name, "hexadecimal")
    return decoded


def uint32(fields: Fields, name: str) -> int:
    """A count, or flags."""
    value = fields.get(name)
    return 0 if value is None else whole(value, name, 0, (1 << 32) - 1)


def uint64(fields: Fields, name: str) -> int:
    """A time."""
    value = fields.get(name)
    return 0 if value is None else whole(value, name, 0, (1 << 64) - 1)


def enum(fields: Fields, name: str) -> int:
    """A number of 32 bits. Names, which protobuf's JSON knows, OTLP's excludes."""
    value = fields.get(name)
    if value is None:
        return 0
    if type(value) is str:
        raise BadValue(name, "a number (OTLP's JSON has no names of enum values)")
    return whole(value, name, -(1 << 31), (1 << 31) - 1)


def whole(value: Any, name: str, least: int, most: int) -> int:
    """An integer, given as a number or as decimal text."""
    if type(value) is str and len(value) <= LONGEST_INTEGER:
        if value.removeprefix("-").isdecimal() and value.isascii():
            value = int(value)
    elif type(value) is float and value.is_integer() and abs(value) <= most:
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise BadValue(name, f"an integer from {least} to {most}")
    return value


def part(fields: Fields, name: str) -> Fields:
    """An object; empty where it is absent."""
    value = fields.get(name)
    if value is None:
        return {}
    if type(value) is not dict:
        raise BadValue(name, "an object")
    return value


def items(fields: Fields, name: str) -> list[Fields]:
    """A list of objects."""
    value = fields.get(name)
    if value is None:
        return []
    if type(value) is not list or not all(type(item) is dict for item in value):
        raise BadValue(name, "a list of objects")
    return value


def texts(fields: Fields, name: str) -> list[str]:
    """A list of strings, each as `text` has it."""
    value = fields.get(name)
    if value is None:
        return []
    if type(value) is not list:
        raise BadValue(name, "a list of strings")
    return [text({name: item}, name) for item in value]


def attributes(fields: Fields, name: str) -> list[Message]:
    """A list of KeyValues."""
    return _pairs(fields, name, 0)


def _pairs(fields: Fields, name: str, depth: int) -> list[Message]:
    return [
        {"key": text(pair, "key"), "value": _any(pair.get("value"), depth)}
        for pair in items(fields, name)
    ]


def _any(value: Any, depth: int) -> Message:
    """An AnyValue."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise BadValue("value", "an object that names its type")
    found = None
    for kind, given in value.items():
        fill = _KINDS.get(kind)
        if fill is None or given is None:
            continue
        if found is not None:
            raise BadValue("value", "of one type alone")
        found = fill(given, depth)
    return {} if found is None else found


def _string(given: Any, _depth: int) -> Message:
    if type(given) is not str:
        raise BadValue("stringValue", "a string")
    return {"string_value": given if given.isascii() else clean_text(given)}


def _boolean(given: Any, _depth: int) -> Message:
    if type(given) is not bool:
        raise BadValue("boolValue", "true or false")
    return {"bool_value": given}


def _integer(given: Any, _depth: int) -> Message:
    return {"int_value": whole(given, "intValue", -(1 << 63), (1 << 63) - 1)}


def _double(given: Any, _depth: int) -> Message:
    if type(given) is float:
        return {"double_value": given}
    if type(given) is str and given in _SPELLED:
        return {"double_value": _SPELLED[given]}
    if type(given) is int or (type(given) is str and "_" not in given):
        try:
            number = float(given)
        except (ValueError, OverflowError):
            number = float("nan")
        if isfinite(number):
            return {"double_value": number}
    raise BadValue("doubleValue", "a number")


def _bytes(given: Any, _depth: int) -> Message:
    if type(given) is str:
        # Both alphabets, with padding or without, as protobuf's JSON takes them.
        standard = given.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            decoded = b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except ValueError:
            pass
        else:
            return {"bytes_value": decoded}
    raise BadValue("bytesValue", "base64")


def _array(given: Any, depth: int) -> Message:
    values = _listed(given, "arrayValue", depth + 2)
    return {"array_value": {"values": [_any(item, depth + 2) for item in values]}}


def _map(given: Any, depth: int) -> Message:
    _listed(given, "kvlistValue", depth + 3)
    return {"kvlist_value": {"values": _pairs(given, "values", depth + 3)}}


def _listed(given: Any, name: str, depth: int) -> list[Any]:
    if depth > _DEEPEST:
        raise BadValue(name, "nested less deep")
    values = given.get("values") if type(given) is dict else given
    if values is None and type(given) is dict:
        return []
    if type(given) is not dict or type(values) is not list:
        raise BadValue(name, "an object with a list of values")
    return values


_KINDS: Final[dict[str, Callable[[Any, int], Message]]] = {
    "stringValue": _string,
    "boolValue": _boolean,
    "intValue": _integer,
    "doubleValue": _double,
    "bytesValue": _bytes,
    "arrayValue": _array,
    "kvlistValue": _map,
}
