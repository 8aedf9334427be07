"""What a retriever found, as OpenInference writes it, as a ranking."""

import re
from collections.abc import Mapping
from typing import Any, Final

_MEMBER: Final = re.compile(r"retrieval\.documents\.(\d+)\.document\.(id|content|score)")
_SHOWN_LENGTH: Final = 200


def ranking(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """In the shape of `xray.ranked_candidates`; empty where nothing was scored."""
    documents: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        member = _MEMBER.fullmatch(name)
        if member is not None:
            documents.setdefault(int(member[1]), {})[member[2]] = value
    if not any("score" in document for document in documents.values()):
        return []
    return [_candidate(index + 1, documents[index]) for index in sorted(documents)]


def _candidate(rank: int, document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item_id": str(document.get("id", rank)),
        "rank": rank,
        "score": document.get("score"),
        "reason": None,
        "item_data": {"content": str(document.get("content", ""))[:_SHOWN_LENGTH]},
    }
