"""What a retriever found, as OpenInference writes it: as its output, and as a ranking."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_MEMBER: Final = re.compile(r"retrieval\.documents\.(\d+)\.document\.(id|content|score)")
_MADE_UP: Final = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.I)
"""An id that nobody gave: it says nothing to a reader."""
_SHOWN_LENGTH: Final = 200
_NAME_LENGTH: Final = 60
_Documents = Sequence[Mapping[str, Any]]


def documents_of(attributes: Mapping[str, Any]) -> _Documents:
    """Those of a retriever's or a reranker's span, in their order."""
    documents: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        member = _MEMBER.fullmatch(name)
        if member is not None:
            documents.setdefault(int(member[1]), {})[member[2]] = value
    return [documents[index] for index in sorted(documents)]


def output(documents: _Documents) -> list[dict[str, Any]]:
    """What was found, with its text first."""
    members = ("content", "score", "id")
    return [{name: each[name] for name in members if name in each} for each in documents]


def ranking(documents: _Documents) -> list[dict[str, Any]]:
    """In the shape of `xray.ranked_candidates`; empty where nothing was scored."""
    if not any("score" in document for document in documents):
        return []
    return [_candidate(rank, document) for rank, document in enumerate(documents, 1)]


def _candidate(rank: int, document: Mapping[str, Any]) -> dict[str, Any]:
    item_id, content = str(document.get("id", rank)), str(document.get("content", ""))
    item_data = {"content": content[:_SHOWN_LENGTH]}
    name = _name(content)
    if name and _MADE_UP.fullmatch(item_id):
        item_id, item_data["id"] = name, item_id
    return {
        "item_id": item_id,
        "rank": rank,
        "score": document.get("score"),
        "reason": None,
        "item_data": item_data,
    }


def _name(content: str) -> str:
    """How it begins, in one line."""
    words = " ".join(content[: 4 * _NAME_LENGTH].split())
    return words if len(words) <= _NAME_LENGTH else f"{words[: _NAME_LENGTH - 1].rstrip()}…"
