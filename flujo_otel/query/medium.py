"""An image, sound or file of a message: what is known of it, instead of what it is."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from flujo_otel.query.fields import is_nothing, snake, text_of

_MODALITIES: Final = ("image", "audio", "video", "document")
"""What a medium is called; any other is a file."""
_MEDIA: Final = frozenset({*_MODALITIES, "file", "blob", "uri", "media", "binary", "inline"})
_AROUND: Final = frozenset({"input", "output", "url", "data", "content", "block", "id", "base64"})
"""Words beside those in the names of kinds: `input_audio`, `image_url`."""
_ADDRESSES: Final = frozenset(
    {"filename", "file_name", "uri", "url", "image_url", "file_uri", "file_url", "file_id"}
)
_DATA: Final = frozenset({"data", "base64", "content", "bytes", "file_data", "image"})
_TYPES: Final = ("mime_type", "media_type", "format")
_TEXTS: Final = frozenset({"text", "transcript", "caption"})
_READ: Final = frozenset({"type", "modality", "id"})
_MOST: Final = 200
"""Characters of an address, and of what else is known."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-=\r\n]*")
_WORD: Final = re.compile("[a-z0-9]+")


class Medium(NamedTuple):
    """`facts`: address, type and size, as far as they are known. `rest`: as JSON, in brief."""

    name: str
    facts: str
    texts: tuple[str, ...]
    rest: str


def is_medium(kind: str) -> bool:
    """By whole words: there is a file in `user_profile`, and a uri in `security`."""
    words = set(kind.split("_"))
    return bool(words & _MEDIA) and words <= _MEDIA | _AROUND


def medium_of(part: Mapping[str, Any], kind: str) -> Medium:
    """Of a part with fields, perhaps in one another."""
    found: dict[str, list[str]] = {"words": [kind]}
    rest: dict[str, Any] = {}
    for path, value in _leaves(part):
        known = _known(path.rpartition(".")[2], value, kind)
        if known is None:
            rest[path] = value
        for sort, text in known or ():
            found.setdefault(sort, []).append(text)
    types, sizes = found.get("types", []), found.get("sizes", [])
    words = set(_WORD.findall(" ".join([*types, *found["words"]]).lower()))
    name = next((each for each in _MODALITIES if each in words), "file")
    facts = dict.fromkeys(
        filter(None, [*map(_brief, [*found.get("addresses", []), *types]), *sizes])
    )
    more = _brief(text_of(rest)) if rest else ""
    return Medium(name, ", ".join(facts), tuple(found.get("texts", ())), more)


def _known(key: str, value: Any, kind: str) -> list[tuple[str, str]] | None:
    """What sort of thing it is, with its text; None where nobody knows."""
    if is_nothing(value) or key in _READ:
        return [("words", value)] if key == "modality" and isinstance(value, str) else []
    if not isinstance(value, str):
        return None
    return _known_text(key, value, kind)


def _known_text(key: str, value: str, kind: str) -> list[tuple[str, str]] | None:
    if value.startswith("data:"):
        before, _, data = value.partition(",")
        mime = before.removeprefix("data:").partition(";")[0]
        return [("types", mime), ("sizes", _size(data))]
    if key in _ADDRESSES or (key in _DATA and value.startswith(("http://", "https://"))):
        return [("addresses", value)]
    if key in _TEXTS or (key == "content" and not _is_data(value, kind)):
        return [("texts", value)]
    if key in _DATA:
        return [("sizes", _size(value))]
    return [("types", value)] if key in _TYPES else None


def _is_data(content: str, kind: str) -> bool:
    is_long = len(content) > _MOST and _BASE64.fullmatch(content) is not None
    return kind in ("blob", "binary") or is_long


def _leaves(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is no mapping in it, by the names on the way to it."""
    for name, value in part.items():
        if isinstance(value, dict):
            yield from ((f"{snake(name)}.{inner}", each) for inner, each in _leaves(value))
        else:
            yield snake(name), value


def _size(data: str) -> str:
    is_base64 = _BASE64.fullmatch(data) is not None
    size = len(data) * 3 // 4 if is_base64 else len(data.encode(errors="replace"))
    return f"{size:,} bytes" if data else ""


def _brief(text: str) -> str:
    more = len(text) - _MOST
    return text if more <= 0 else f"{text[:_MOST]}\N{HORIZONTAL ELLIPSIS} ({more:,} more)"
