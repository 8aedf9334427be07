"""Values as JSON of bounded size and bounded cost.

The text is written while the value is walked and the walk stops at the limit, so what lies beyond
it is never looked at: a value of 1 GB costs what one of the limit's size costs. What is left out
is named where it stood ("… 998 more items cut"), so the text stays valid JSON. It stops too where
the program's own serializers and `repr`s are slow; one of them that never ends cannot be stopped.
Secrets are redacted before anything is cut: half of one would no longer be known for what it is.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final

from flujo_otel.interruption import passes
from flujo_otel.redaction import REDACTED, Redactor, redactor
from flujo_otel.redaction.documents import rewritten
from flujo_otel.shape import Items, Pairs, TimeLimit, name_of, reader_of, shown, shown_of
from flujo_otel.wire.values import clean_text, json_encoder
from flujo_otel.words import words_of_non_finite

_DEPTH_LIMIT: Final = 20
_MARKER_ROOM_BYTES: Final = 1024
"""Kept back for the closing brackets and the cut marks of at most `_DEPTH_LIMIT` open levels."""
_MOST_SECONDS: Final = 0.25
_SECONDS_PER_BYTE: Final = 2.5e-7
"""A value of 64 KiB takes 2 ms, so whatever takes eight times as long, and 0.25 s, is code of the
program's."""
_INTEGER_BIT_LIMIT: Final = 4096
_KEPT_KEY_LENGTH: Final = 64
_NAMING_LENGTH: Final = 256
"""Of a name: its end says whether it is a secret's."""
_CARD_BITS: Final = 39
"""A payment card's number has 13 digits and more."""
_REDACTED_JSON: Final = f'"{REDACTED}"'


def as_json(value: object, limit_bytes: int) -> tuple[str, bool]:
    """`value` as JSON text of at most `limit_bytes` UTF-8 bytes, and whether it was cut.

    Never raises; secrets that hide from `repr` or from pydantic's dump stay hidden, those that
    the process's redactor knows are redacted.
    """
    hides = redactor()
    text = _small_json(value, limit_bytes, hides)
    return (text, False) if text is not None else _walked(value, limit_bytes, hides)


def _small_json(value: Any, limit_bytes: int, hides: Redactor) -> str | None:
    """`value` by the C encoder, where it is plain data or a model of it and within the limit.

    The context of a pipeline takes 3 us so, and 6 us by the walk; one of 1,100 bytes 11 and 24.
    """
    try:
        kind: type = type(value)
        names = shown_of(kind)
        plain = value if names is None else shown(value, names)
        if _left_after(plain, limit_bytes, _DEPTH_LIMIT) < 0:
            return None
        text = hides.encoded(plain, _encode)
        size_bytes = len(text) if text.isascii() else len(text.encode())
    except BaseException as error:  # what the strict encoder refuses: NaN, a lone surrogate
        if passes(error):
            raise
        return None
    return text if size_bytes <= limit_bytes else None


def _left_after(value: Any, left: int, depth: int) -> int:
    """`left` less about the length of `value` as JSON; negative: too long, deep or not plain."""
    kind = type(value)
    if kind is str:
        return left - len(value)
    if kind in _SCALARS:
        return left - 8
    if kind is int:
        return left - 8 if value.bit_length() <= 64 else -1
    if (kind is not dict and kind is not list) or depth == 0:
        return -1
    left -= 2 + 4 * len(value)
    if kind is dict and left >= 0:
        for key in value:
            if type(key) is not str:
                return -1
            left -= len(key)
        value = value.values()
    for each in value if left >= 0 else ():
        left = _left_after(each, left, depth - 1)
        if left < 0:
            break
    return left


_SCALARS: Final = frozenset({type(None), bool, float})
_encode: Final = json_encoder(", ", ": ")


def _walked(value: object, limit_bytes: int, hides: Redactor) -> tuple[str, bool]:
    """`value` of any kind and size: written while it is walked."""
    writer = _Writer(max(limit_bytes - _MARKER_ROOM_BYTES, limit_bytes // 2), hides)
    writer.write(value, 0)
    text = "".join(writer.parts)
    if hides.enabled:
        text = _reviewed(text, hides)
    if len(text) * 4 > limit_bytes and len(text.encode()) > limit_bytes:
        return encode_basestring(f"{text[: limit_bytes // 8]}… cut"), True
    return text, writer.was_cut


def _reviewed(text: str, hides: Redactor) -> str:
    """Without the secrets that only what is around them tells: a field beside says what one is, or
    the item before it."""
    return rewritten(text, hides.value) or text


class _Writer:
    __slots__ = ("hides", "left", "open", "parts", "time", "was_cut")

    def __init__(self, budget_bytes: int, hides: Redactor) -> None:
        self.hides = hides
        self.left = budget_bytes
        self.time = TimeLimit(_MOST_SECONDS + budget_bytes * _SECONDS_PER_BYTE)
        self.open: set[int] = set()
        self.parts: list[str] = []
        self.was_cut = False

    def write(self, value: object, depth: int) -> None:
        """Append one JSON value; any fault of the value itself becomes a string that names it."""
        begun = len(self.parts)
        try:
            self._write(value, depth)
        except BaseException as error:
            if passes(error):
                raise
            del self.parts[begun:]  # half of an object would be no JSON
            self._text(f"<{name_of(value)} cannot be shown: {type(error).__name__}>")

    def _write(self, value: object, depth: int) -> None:
        kind = type(value)
        if kind is str:
            self._text(value)  # type: ignore[arg-type]
        elif value is None or value is True or value is False:
            self._raw("null" if value is None else "true" if value else "false")
        elif kind is int:
            self._integer(value)  # type: ignore[arg-type]
        elif kind is float:
            self._float(value)  # type: ignore[arg-type]
        else:
            self._other(value, kind, depth)

    def _other(self, value: Any, kind: type, depth: int) -> None:
        plain = reader_of(kind)(value)
        if self.time.is_over:
            self.left = min(self.left, 0)
        shape = type(plain)
        if shape is not Pairs and shape is not Items:
            self._write(plain, depth)
        elif plain[1] == 0:
            self._raw("{}" if shape is Pairs else "[]")
        else:
            self._container(value, plain, depth)

    def _container(self, owner: object, content: "Pairs | Items", depth: int) -> None:
        if id(owner) in self.open:
            self._text(f"<{name_of(owner)} that contains itself>")
            return
        if depth >= _DEPTH_LIMIT:
            self.was_cut = True
            self._text(f"… {name_of(owner)} cut: {_DEPTH_LIMIT} levels deep")
            return
        self.open.add(id(owner))
        try:
            if isinstance(content, Pairs):
                self._pairs(content, depth + 1)
            else:
                self._items(content, depth + 1)
        finally:
            self.open.discard(id(owner))

    def _pairs(self, content: "Pairs", depth: int) -> None:
        self._raw("{")
        separator = ""
        taken: set[str] = set()
        for number, (key, value) in enumerate(_safely(content.pairs)):
            if self.left <= 0:
                self.was_cut = True
                self._raw(f'{separator}"…": "{content.size - number} more keys cut"')
                break
            name = key if type(key) is str else _text_of(key)
            self._name(name, taken, separator)
            end = name[-_NAMING_LENGTH:]
            # Of others that ask what stands beside it, `_reviewed` says what it is.
            if self.hides.hides(end, value) and not self.hides.asks_beside(end):
                self._raw(_REDACTED_JSON)
            elif type(value) is str:
                self._text(value)
            else:
                self.write(value, depth)
            separator = ", "
        self._raw("}")

    def _name(self, name: str, taken: set[str], separator: str) -> None:
        """Two that are redacted or cut to the same remain two: JSON's readers keep one of such."""
        if len(name) <= _KEPT_KEY_LENGTH:
            encoded = _encoded_key(self.hides.name(name))
        else:
            encoded = self._fitted(name, self.hides.name_beginning)
        while encoded in taken:
            encoded = f'{encoded[:-1]} {len(taken) + 1}"'
        taken.add(encoded)
        self._append(f"{separator}{encoded}: ")

    def _items(self, content: "Items", depth: int) -> None:
        self._raw("[")
        separator = ""
        for number, value in enumerate(_safely(content.items)):
            self._raw(separator)
            if self.left <= 0:
                self.was_cut = True
                self._raw(f'"… {content.size - number} more items cut"')
                break
            self.write(value, depth)
            separator = ", "
        self._raw("]")

    def _raw(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)  # all but rare keys are ASCII; `as_json` holds the limit at last

    def _integer(self, value: int) -> None:
        bits = value.bit_length()
        if bits > _CARD_BITS and self.hides.value(value) is not value:
            self._raw(_REDACTED_JSON)
            return
        self._raw(str(value)) if bits <= _INTEGER_BIT_LIMIT else self._text(f"<int of {bits} bits>")

    def _float(self, value: float) -> None:
        self._raw(repr(value)) if math.isfinite(value) else self._text(words_of_non_finite(value))

    def _text(self, text: str) -> None:
        self._append(self._fitted(text, self.hides.beginning))

    def _append(self, encoded: str) -> None:
        self.parts.append(encoded)
        self.left -= len(encoded) if encoded.isascii() else len(encoded.encode())

    def _fitted(self, text: str, beginning: Callable[[str, int], tuple[str, int]]) -> str:
        """`text` as JSON, without secrets, and cut to what is left."""
        room = max(self.left - 2, 0)
        text, left_out = beginning(text, room)
        piece = text if len(text) <= room else text[:room]
        encoded = _encoded(piece)
        if len(encoded) > room + 2:
            piece = piece[: room * len(piece) // len(encoded)]
            encoded = _encoded(piece)
        left_out += len(text) - len(piece)
        if left_out:
            self.was_cut = True
            encoded = f'{encoded[:-1]}… {left_out} characters cut"'
        return encoded


def _encoded(text: str) -> str:
    return encode_basestring(text if text.isascii() else clean_text(text))


@lru_cache(maxsize=2048)
def _encoded_key(key: str) -> str:
    """A field's name is written again and again."""
    return _encoded(key)


def _text_of(key: Any) -> str:
    """A name that is no text, as text."""
    is_long = isinstance(key, bytes) and len(key) > _KEPT_KEY_LENGTH
    return str(reader_of(bytes)(key) if is_long else key)


def _safely(source: Iterable[Any]) -> Iterator[Any]:
    """`source` up to where it fails: a dict that another thread changes ends early."""
    try:
        yield from source
    except BaseException as error:
        if passes(error):
            raise
        return
