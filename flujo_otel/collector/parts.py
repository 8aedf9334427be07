"""A large request, taken in parts, so that what it costs in memory is that of one part.

Decoded, 64 MiB of ordinary spans took 1.5 GB; 64 MiB of empty messages, which gzip makes of 64 KB,
take as much in the protobuf library alone. So a body over PART_BYTES is cut between its spans (its
resources and scopes are repeated), and each part is decoded and committed before the next.
"""

from collections.abc import Iterator
from typing import Any, Final

from flujo_otel.collector.answers import Code, Refusal
from flujo_otel.errors import MalformedRequest
from flujo_otel.wire.protobuf import DELIMITED, GROUP, delimited, fields, tag

PART_BYTES: Final = 1024 * 1024
VALUES: Final = 200_000
"""In a single span, or in a resource or scope, over PART_BYTES: such a one cannot be cut."""
SPANS: Final = 1_000_000
"""In one request, resources and scopes included: 64 MiB of real ones are 500,000."""
FIELDS: Final = 4_000_000
"""Read of one request to cut it, within 2 s: of 64 MiB of real spans 1,000,000. 64 MiB of fields
that nobody knows, which gzip makes of 60 KB, kept all other large requests waiting for a minute."""
JSON_VALUES: Final = 2_000_000
"""Objects and arrays in a JSON body: about 500 MB once parsed."""
JSON_COMMAS: Final = 4_000_000
"""In a JSON body: texts and numbers come without a bracket. 64 MiB of them took 1.1 GB."""

Schema = dict[int, Any]
"""The fields of a message that are messages themselves, with their schemas."""
_VALUE: Final[Schema] = {}
_ATTRIBUTE: Final[Schema] = {2: _VALUE}
_VALUE.update({5: {1: _VALUE}, 6: {1: _ATTRIBUTE}})
_SPAN: Final[Schema] = {9: _ATTRIBUTE, 11: {3: _ATTRIBUTE}, 13: {4: _ATTRIBUTE}, 15: {}}
_SCOPE_SPANS: Final[Schema] = {1: {3: _ATTRIBUTE}, 2: _SPAN}
_RESOURCE: Final[Schema] = {1: _ATTRIBUTE, 3: {3: {}, 4: {}}}
_RESOURCE_SPANS: Final[Schema] = {1: _RESOURCE, 2: _SCOPE_SPANS}
_LEVELS: Final = ((1, _RESOURCE_SPANS), (2, _SCOPE_SPANS), (2, _SPAN))
"""From the request down to a span: the number of the repeated field, and what it holds."""


def parts(body: bytes) -> Iterator[bytes]:
    """Requests that together say what the ExportTraceServiceRequest in `body` says.

    Raises MalformedRequest where it is none, perhaps after the first parts; Refusal for more than
    SPANS spans, of more than FIELDS fields, and for a span of more than VALUES values.
    """
    if len(body) <= PART_BYTES:
        yield body
    else:
        try:
            yield from _split(_Reader(body), 0, len(body), level=0)
        except ValueError as error:
            raise MalformedRequest(str(error)) from error


def check_json(body: bytes) -> None:
    """Raises Refusal for a JSON body that would take too much memory."""
    if len(body) <= PART_BYTES:
        return
    if body.count(b"{") + body.count(b"[") > JSON_VALUES:
        raise too_many(JSON_VALUES)
    if body.count(b",") > JSON_COMMAS:
        raise too_many(JSON_COMMAS)


class _Reader:
    """Reads the fields of a body, FIELDS of them at most, SPANS of which are spans."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._fields_left = FIELDS
        self._spans_left = SPANS

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
        """See `wire.protobuf.fields`."""
        for field in fields(self.body, start, end):
            _, kind, _, value_at, stop = field
            self._fields_left -= 1 if kind != GROUP else stop - value_at
            if self._fields_left < 0:
                raise too_many(FIELDS)
            yield field

    def count_span(self) -> None:
        """One more."""
        self._spans_left -= 1
        if self._spans_left < 0:
            raise too_many(SPANS)


def _split(reader: _Reader, start: int, end: int, *, level: int) -> Iterator[bytes]:
    body = reader.body
    number, schema = _LEVELS[level]
    head = b"" if level == 0 else _head(reader, start, end, number)
    if len(head) > PART_BYTES:
        _check_values(reader, start, end, _LEVELS[level - 1][1])
        yield body[start:end]
        return
    ranges = Ranges(body)
    for field, kind, key_at, value_at, stop in reader.fields(start, end):
        if field != number or kind != DELIMITED:
            continue
        reader.count_span()
        if ranges.size_bytes and ranges.size_bytes + stop - key_at > PART_BYTES:
            yield head + ranges.taken()
        if stop - key_at <= PART_BYTES:
            ranges.add(key_at, stop)
        elif level + 1 == len(_LEVELS):
            _check_values(reader, value_at, stop, schema)
            yield head + body[key_at:stop]
        else:
            for inner in _split(reader, value_at, stop, level=level + 1):
                yield head + delimited(tag(number, DELIMITED), inner)
    if ranges.size_bytes:
        yield head + ranges.taken()


class Ranges:
    """Pieces of a body, those that adjoin as one: there may be millions."""

    def __init__(self, body: bytes) -> None:
        self.size_bytes = 0
        self._body = body
        self._ranges: list[list[int]] = []

    def add(self, start: int, stop: int) -> None:
        self.size_bytes += stop - start
        if self._ranges and self._ranges[-1][1] == start:
            self._ranges[-1][1] = stop
        else:
            self._ranges.append([start, stop])

    def taken(self) -> bytes:
        """All of it, which is then gone from here."""
        content = b"".join(self._body[start:stop] for start, stop in self._ranges)
        self._ranges.clear()
        self.size_bytes = 0
        return content


def _head(reader: _Reader, start: int, end: int, number: int) -> bytes:
    """All fields but the repeated one: they may stand before, behind and between those."""
    ranges = Ranges(reader.body)
    for field, kind, key_at, _, stop in reader.fields(start, end):
        if field != number or kind != DELIMITED:
            ranges.add(key_at, stop)
    return ranges.taken()


def _check_values(reader: _Reader, start: int, end: int, schema: Schema) -> None:
    left = VALUES
    waiting = [(start, end, schema)]
    while waiting:
        start, end, schema = waiting.pop()
        for field, kind, _, value_at, stop in reader.fields(start, end):
            inner = schema.get(field)
            if inner is not None and kind == DELIMITED:
                left -= 1
                if left < 0:
                    raise too_many(VALUES)
                if inner:
                    waiting.append((value_at, stop, inner))


def too_many(limit: int) -> Refusal:
    """Permanent, like that for a request that is too large."""
    text = f"The request has over {limit} spans or values; send less in one."
    return Refusal(413, Code.RESOURCE_EXHAUSTED, text)
