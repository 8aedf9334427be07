"""OTLP's attributes, read: as strict JSON (by the rules of `wire.values`), and as Python values.

No depth is counted here: protobuf's parser refuses messages deeper than 100, which is 47 nested
arrays or 31 nested maps.
"""

from collections.abc import Iterable
from json.encoder import encode_basestring as quote
from math import isfinite
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from flujo_otel.wire.values import encode_value

_KEYS_KEPT: Final = 4096
_KEPT_LENGTH: Final = 200
_keys: dict[str, str] = {}


def json_members(pairs: Iterable[KeyValue]) -> dict[str, str]:
    """Each attribute as a member of a JSON object, by key.

    OTLP wants keys to be unique; where they are not the last one counts.
    """
    members = {}
    for pair in pairs:
        key, value = pair.key, pair.value
        name = _keys.get(key) or _known(key)
        # Most values are text: to look is cheaper than to ask which kind it is, here as below.
        text = value.string_value
        if text:
            members[key] = name + quote(text)
        elif number := value.int_value:
            members[key] = name + str(number)
        elif isfinite(real := value.double_value) and real:
            members[key] = name + repr(real)
        elif value.bool_value:
            members[key] = name + "true"
        else:
            members[key] = name + encode_value(plain(value))[1]
    return members


def json_object(members: dict[str, str]) -> str:
    """The members as one JSON object."""
    return "{" + ",".join(members.values()) + "}"


def plain_attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """The values by key, as the OpenTelemetry SDK would hold them."""
    return {pair.key: plain(pair.value) for pair in pairs}


def plain(value: AnyValue) -> Any:
    """Text, a number, a boolean, bytes, a tuple, a dict, or None where the value is empty."""
    field = value.WhichOneof("value")
    if field == "array_value":
        return tuple([plain(item) for item in value.array_value.values])
    if field == "kvlist_value":
        return plain_attributes(value.kvlist_value.values)
    return None if field is None else getattr(value, field)


def _known(key: str) -> str:
    known = quote(key) + ":"
    if len(key) <= _KEPT_LENGTH:
        if len(_keys) >= _KEYS_KEPT:
            _keys.clear()
        _keys[key] = known
    return known
