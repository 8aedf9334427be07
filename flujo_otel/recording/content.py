"""A program's values as a span has them: as JSON or as text, of bounded size, without secrets."""

from typing import Final

from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from flujo_otel.recording.choice import Recording
from flujo_otel.recording.json_text import as_json
from flujo_otel.recording.text import as_text
from flujo_otel.semconv import openinference

_STATE_LIMIT_BYTES: Final = 16 * 1024
"""Less than for other values: each step may record its state twice, and most of it is as before."""
_MIME_TYPE_OF: Final = {
    openinference.INPUT_VALUE: openinference.INPUT_MIME_TYPE,
    openinference.OUTPUT_VALUE: openinference.OUTPUT_MIME_TYPE,
}


class Content:
    """A program's values as attributes of `span`: none at all where the span is not recorded, or
    while `recording` wants no content.

    `cuts`: how many values were cut to their limit.
    """

    __slots__ = ("_recording", "cuts")

    def __init__(self, span: Span, recording: Recording) -> None:
        self._recording = recording if span.is_recording() else None
        self.cuts = 0

    @property
    def is_wanted(self) -> bool:
        """Whether anything is recorded."""
        return self._recording is not None and self._recording.content

    def json(self, value: object, *names: str) -> dict[str, AttributeValue]:
        """`value` as JSON under each of `names`, with its mime type."""
        if self._recording is None or not self._recording.content:
            return {}
        text, was_cut = as_json(value, self._recording.value_limit_bytes)
        self.cuts += was_cut
        return _named(names, text, openinference.MIME_JSON)

    def text(self, text: str, *names: str) -> dict[str, AttributeValue]:
        """`text` as it is under each of `names`, with its mime type."""
        if self._recording is None or not self._recording.content:
            return {}
        kept, was_cut = as_text(text, self._recording.value_limit_bytes)
        self.cuts += was_cut
        return _named(names, kept, openinference.MIME_TEXT)

    def state(self, value: object, name: str) -> dict[str, AttributeValue]:
        """A pipeline's context or a graph's state as JSON, for a span event; nothing for None."""
        if value is None or self._recording is None or not self._recording.content:
            return {}
        limit_bytes = min(self._recording.value_limit_bytes, _STATE_LIMIT_BYTES)
        text, was_cut = as_json(value, limit_bytes)
        self.cuts += was_cut
        return {name: text}


def _named(names: tuple[str, ...], text: str, mime_type: str) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = dict.fromkeys(names, text)
    for name in names:
        if name in _MIME_TYPE_OF:
            found[_MIME_TYPE_OF[name]] = mime_type
    return found
