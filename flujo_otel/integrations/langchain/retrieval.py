"""What a retriever found, as attributes: documents, and a ranking where they have scores."""

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.documents import Document

from flujo_otel.integrations.langchain.messages import plain_document

_SCORES: Final = ("score", "relevance_score", "similarity_score", "_score")
"""Where vector stores and rerankers leave a document's score in its metadata."""
_SHOWN_LENGTH: Final = 200


def documents(found: Sequence[Document]) -> list[dict[str, Any]]:
    return [plain_document(document) for document in found]


def references(found: Sequence[Document]) -> list[dict[str, Any]]:
    """[{id, score}], in the shape of `gen_ai.retrieval.documents`."""
    return [_known({"id": document.id, "score": score_of(document)}) for document in found]


def ranking(found: Sequence[Document]) -> list[dict[str, Any]]:
    """In the shape of `xray.ranked_candidates`; empty where nothing was scored."""
    if not any(score_of(document) is not None for document in found):
        return []
    return [
        {
            "item_id": str(document.id or _source(document) or rank),
            "rank": rank,
            "score": score_of(document),
            "reason": None,
            "item_data": {"content": document.page_content[:_SHOWN_LENGTH]},
        }
        for rank, document in enumerate(found, 1)
    ]


def score_of(document: Document) -> float | None:
    values = (document.metadata.get(name) for name in _SCORES)
    return next((_as_float(value) for value in values if _is_number(value)), None)


def _is_number(value: Any) -> bool:
    # numpy's float32 is no float, and is what vector stores give.
    return not isinstance(value, bool | str) and hasattr(value, "__float__")


def _as_float(value: Any) -> float:
    return float(value)


def _source(document: Document) -> Any:
    return document.metadata.get("id") or document.metadata.get("source")


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}
