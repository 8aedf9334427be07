"""What of a program's values is recorded: as JSON or as text, of bounded size, without secrets."""

from typing import Final, NamedTuple
from weakref import ReferenceType, ref

from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from flujo_otel import settings
from flujo_otel.guard import guarded
from flujo_otel.recording.json_text import as_json
from flujo_otel.recording.text import as_text
from flujo_otel.semconv import openinference

_STATE_LIMIT_BYTES: Final = 16 * 1024
"""Less than for other values: each step may record its state twice, and most of it is as before."""
_MIME_TYPE_OF: Final = {
    openinference.INPUT_VALUE: openinference.INPUT_MIME_TYPE,
    openinference.OUTPUT_VALUE: openinference.OUTPUT_MIME_TYPE,
}


class Told(NamedTuple):
    """What somebody said; None: nothing of it."""

    content: bool | None = None
    value_limit_bytes: int | None = None


_process = Told()
_recordings: Final[list["ReferenceType[Recording]"]] = []
"""All there are: told of a change, each has at hand what is asked of it several times a step. A
list, of which a copy is one operation whatever other threads do; a WeakSet's is a loop."""


class Recording:
    """What of the content is recorded now: nothing where `content` is False.

    What its producer was `told` goes first, for good; then what configure() is given, which may be
    when the producer has long been at work, as under `lens run`; then what was given here.
    """

    __slots__ = ("__weakref__", "_told", "content", "value_limit_bytes")

    def __init__(
        self, content: bool = True, value_limit_bytes: int = 64 * 1024, *, told: Told | None = None
    ) -> None:
        """`told` None: both."""
        self.content = content
        self.value_limit_bytes = value_limit_bytes
        self._told = Told(content, value_limit_bytes) if told is None else told
        _recordings.append(ref(self, _recordings.remove))
        self.hear(_process)

    def hear(self, said: Told) -> None:
        """What configure() is given, as far as its producer was not told."""
        if self._told.content is None and said.content is not None:
            self.content = said.content
        if self._told.value_limit_bytes is None and said.value_limit_bytes is not None:
            self.value_limit_bytes = said.value_limit_bytes

    @classmethod
    def chosen(cls, content: bool | None, value_limit_bytes: int | None) -> "Recording":
        """Where an argument is None, what configure() is given, else what the settings say.
        Raises SettingsError."""
        chosen = settings.load(
            content=_process.content if content is None else content,
            value_limit_bytes=(
                _process.value_limit_bytes if value_limit_bytes is None else value_limit_bytes
            ),
        )
        told = Told(content, value_limit_bytes)
        return cls(chosen.content, chosen.value_limit_bytes, told=told)

    @classmethod
    def chosen_quietly(cls, content: bool | None, value_limit_bytes: int | None) -> "Recording":
        """The same; settings that cannot be read may have said that nothing is to be recorded, so
        then nothing is."""
        with guarded("reading the settings"):
            return cls.chosen(content, value_limit_bytes)
        return cls(content=False)


def settle(content: bool | None, value_limit_bytes: int | None) -> None:
    """What holds from now on in this process for producers that are not told themselves, those at
    work too. Of the limit the first that was said counts; that nothing is to be recorded counts
    whenever it is said, and for good."""
    global _process
    _process = Told(
        content if _process.content is None or content is False else _process.content,
        value_limit_bytes if _process.value_limit_bytes is None else _process.value_limit_bytes,
    )
    for reference in _recordings.copy():
        recording = reference()
        if recording is not None:
            recording.hear(_process)


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
