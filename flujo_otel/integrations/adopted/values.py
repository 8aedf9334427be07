"""Attributes of one span as they are recorded: without secrets, and of bounded size."""

from collections.abc import Mapping
from typing import Any

from flujo_otel.guard import guarded
from flujo_otel.integrations.adopted.library import Library
from flujo_otel.recording.choice import Recording
from flujo_otel.recording.json_text import as_json
from flujo_otel.recording.text import as_text
from flujo_otel.redaction import redactor


class Values:
    """`cuts`: how many were cut to their limit."""

    __slots__ = ("_library", "_recording", "cuts")

    def __init__(self, library: Library, recording: Recording) -> None:
        self._library = library
        self._recording = recording
        self.cuts = 0

    def kept(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """What is recorded of `attributes`, which are set at once, and of what they say."""
        found: dict[str, Any] = {}
        with guarded("recording what a library says"):
            for name, value in {**attributes, **self._library.added(attributes)}.items():
                if not self._library.is_left_out(name, value, content=self._recording.content):
                    found |= self._kept(name, value)
        return found

    def found(self, attributes: Mapping[str, Any]) -> dict[str, str]:
        """What a span with these attributes found, which ends: as JSON."""
        texts: dict[str, str] = {}
        if not self._recording.content:
            return texts
        with guarded("recording what a library found"):
            for name, value in self._library.found(attributes).items():
                texts[name], was_cut = as_json(value, self._recording.value_limit_bytes)
                self.cuts += was_cut
        return texts

    def _kept(self, name: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, str) or redactor().hides(name, value):
            return redactor().attributes({name: value})
        text, was_cut = as_text(value, self._recording.value_limit_bytes)
        self.cuts += was_cut
        return {name: text}
