"""Attribute values, written twice in one pass: as OTLP (exact) and as strict JSON (readable).

What JSON cannot say is written as docs/spans.md tells: non-finite numbers as "NaN", "Infinity",
"-Infinity" (one bare NaN would make json_extract fail for the whole table), bytes as base64. What
OTLP cannot say becomes its text: integers outside int64, values of unknown types. Lone surrogates,
which neither UTF-8 nor SQLite takes, are written as their escapes.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from json import JSONEncoder
from json.encoder import c_make_encoder  # type: ignore[attr-defined]
from json.encoder import encode_basestring as quote
from math import isfinite
from struct import Struct
from typing import Any, Final

from flujo_otel.wire.protobuf import delimited, signed_varint, varint
from flujo_otel.words import words_of, words_of_non_finite

MAX_DEPTH: Final = 50
"""Deeper values become their text: SQLite's and protobuf's own parsers refuse much deeper ones."""

_DOUBLE = Struct("<d").pack
_STRING: Final = b"\x0a"
_INT: Final = b"\x18"
_FLOAT: Final = b"\x21"
_ARRAY: Final = b"\x2a"
_MAP: Final = b"\x32"
_BYTES: Final = b"\x3a"
_INT64_MIN: Final = -(1 << 63)
_INT64_MAX: Final = (1 << 63) - 1

_KEYS_KEPT: Final = 4096
_KEPT_LENGTH: Final = 200
_keys: dict[str, tuple[bytes, str]] = {}


def clean_text(text: str) -> str:
    """`text` with lone surrogates as `\\udXXX` escapes, so that UTF-8 can carry it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def encode_attributes(tag: bytes, attributes: Mapping[str, Any] | None) -> tuple[bytes, str]:
    """Attributes as repeated KeyValue fields under `tag`, and as a JSON object.

    Never raises for what a value is.
    """
    if not attributes:
        return b"", "{}"
    fields: list[bytes] = []
    members: list[str] = []
    for key, value in attributes.items():
        known = _keys.get(key) or _known_key(key)
        exact, text = encode_value(value)
        size = len(known[0]) + 1 + len(exact)
        if len(exact) < 128:
            fields += (tag, varint(size + 1), known[0], b"\x12", varint(len(exact)), exact)
        else:
            length = varint(len(exact))
            fields += (tag, varint(size + len(length)), known[0], b"\x12", length, exact)
        members.append(known[1] + text)
    return b"".join(fields), "{" + ",".join(members) + "}"


def _known_key(key: Any) -> tuple[bytes, str]:
    text = clean_text(key if isinstance(key, str) else words_of(key))
    known = delimited(_STRING, text.encode()), quote(text) + ":"
    if len(text) <= _KEPT_LENGTH:
        if len(_keys) >= _KEYS_KEPT:
            _keys.clear()
        _keys[key] = known
    return known


def json_encoder(
    between: str, after_key: str, default: Callable[[Any], Any] = str
) -> Callable[[Any], str]:
    """Writes what it is given as JSON, and raises ValueError for what JSON cannot say. The caller
    sees to it that nothing holds itself. `default` makes of another object one that JSON can say.

    JSONEncoder.encode makes a C encoder anew at each call, which is half of its time.
    """
    if c_make_encoder is None:  # not CPython
        return JSONEncoder(
            ensure_ascii=False,
            check_circular=False,
            allow_nan=False,
            separators=(between, after_key),
            default=default,
        ).encode
    chunks = c_make_encoder(None, default, quote, None, after_key, between, False, False, False)
    return lambda value: "".join(chunks(value, 0))


_to_json = json_encoder(",", ":")
_PLAIN: Final = frozenset({str, bool, float})


def plain_json(attributes: Mapping[str, Any]) -> str | None:
    """The JSON object that `encode_attributes` would write, where reading it back gives the very
    same attributes; None where it would not (bytes, NaN, what becomes its text).

    By the C encoder: half the time of ours, and no bytes to make beside.
    """
    if not attributes:
        return "{}"
    for value in attributes.values():
        kind = type(value)
        if kind not in _PLAIN and not _reads_back(value, kind):
            return None
    try:
        text = _to_json(attributes)
        if not text.isascii():
            text.encode()
    except (ValueError, TypeError):  # NaN or infinite, a lone surrogate; a key that is no text
        return None
    return text


def _reads_back(value: Any, kind: type) -> bool:
    if kind is int:
        return bool(_INT64_MIN <= value <= _INT64_MAX)
    if kind is tuple or kind is list:  # of plain values, as OpenTelemetry's arrays are
        kinds = set(map(type, value))
        if int not in kinds:
            return kinds <= _PLAIN
        return kinds == {int} and all(_reads_back(item, int) for item in value)
    return False


def encode_value(value: Any, depth: int = 0) -> tuple[bytes, str]:
    """One AnyValue message, and its JSON."""
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is bool:
        return (b"\x10\x01", "true") if value else (b"\x10\x00", "false")
    if kind is int:
        return _integer(value)
    if kind is float:
        text = repr(value) if isfinite(value) else f'"{words_of_non_finite(value)}"'
        return _FLOAT + _DOUBLE(value), text
    if value is None:
        return b"", "null"
    return _other(value, depth)


def _text(value: str) -> tuple[bytes, str]:
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        value = clean_text(value)
        raw = value.encode()
    return _STRING + varint(len(raw)) + raw, quote(value)


def _integer(value: int) -> tuple[bytes, str]:
    if _INT64_MIN <= value <= _INT64_MAX:
        return _INT + signed_varint(value), str(value)
    # hex: the interpreter refuses to write more than 4,300 decimal digits (and takes quadratic
    # time over those it does write).
    return _text(str(value) if value.bit_length() < 1024 else hex(value))


def _other(value: Any, depth: int) -> tuple[bytes, str]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        return delimited(_BYTES, raw), '"' + b64encode(raw).decode() + '"'
    if isinstance(value, (str, bool, int, float)):
        return encode_value(_plain(value), depth)
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        return _map(value, depth + 1)
    if depth < MAX_DEPTH and isinstance(value, Sequence):
        return _array(value, depth + 1)
    return _text(words_of(value))


def _plain(value: str | bool | int | float) -> str | bool | int | float:
    """An enum member or another subclass of a plain type, as the plain value that it is."""
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(plain.__str__(value)) if plain is str else plain(value)
    return value


def _array(values: Iterable[Any], depth: int) -> tuple[bytes, str]:
    encoded = [encode_value(value, depth) for value in values]
    content = b"".join(delimited(b"\x0a", exact) for exact, _ in encoded)
    return delimited(_ARRAY, content), "[" + ",".join(text for _, text in encoded) + "]"


def _map(values: Mapping[Any, Any], depth: int) -> tuple[bytes, str]:
    fields: list[bytes] = []
    members: list[str] = []
    for key, value in values.items():
        name = clean_text(words_of(key))
        exact, text = encode_value(value, depth)
        pair = delimited(_STRING, name.encode()) + delimited(b"\x12", exact)
        fields.append(delimited(b"\x0a", pair))
        members.append(quote(name) + ":" + text)
    return delimited(_MAP, b"".join(fields)), "{" + ",".join(members) + "}"
