"""How much memory a span holds: an estimate that is cheap, and never far too low."""

from collections.abc import Iterable, Mapping
from sys import getsizeof
from typing import Any, Final

from flujo_otel.wire.snapshot import Snapshot

SPAN_BYTES: Final = 1024
"""A span as it is queued (`wire.snapshot`) with five attributes, as measured, and some room. What
the values hold comes on top."""
_ENTRY_BYTES: Final = 512
"""An event or a link beside its attributes."""
_FLAT: Final = frozenset({bool, int, float, type(None)})


def span_bytes(span: Snapshot) -> int:
    """Bytes of a queued span; within a factor of two."""
    attributes, events, links = span.attributes, span.events, span.links
    # One join costs a third of adding up the keys' lengths.
    total = SPAN_BYTES + len("".join(attributes))
    if isinstance(span.name, str):  # a program may pass anything
        total += len(span.name)
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            total += getsizeof(value)
        elif kind not in _FLAT:
            total += _deep_bytes(value)
    if events:
        total += _entries_bytes(events)
    if links:
        total += _entries_bytes(links)
    if span.status.description:
        total += len(span.status.description)
    return total


def _entries_bytes(entries: Iterable[Any]) -> int:
    return sum(
        _ENTRY_BYTES + len(getattr(entry, "name", "")) + _deep_bytes(entry.attributes or {})
        for entry in entries
    )


def _deep_bytes(value: Any, depth: int = 0) -> int:
    if isinstance(value, str | bytes) or depth > 50:
        return getsizeof(value)
    value = getattr(value, "_dict", value)
    if isinstance(value, Mapping):
        parts: Iterable[Any] = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = value
    else:
        return getsizeof(value)
    return getsizeof(value) + sum(_deep_bytes(part, depth + 1) for part in parts)
