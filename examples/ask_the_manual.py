"""LangChain: a question, the passages of a manual that may answer it, and an answer made of them.

The retriever and the model are langchain-core's own kinds of them; the model is a fake one, whose
answers are written below. Needs `pip install "flujo-otel[xray,langchain]"`.

    python examples/ask_the_manual.py
"""

import re
import time
from collections.abc import Sequence

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.retrievers import BaseRetriever
except ModuleNotFoundError:
    raise SystemExit('This example needs: pip install "flujo-otel[xray,langchain]"') from None

from flujo_otel import XRay
from flujo_otel.integrations.langchain import XRayLangChainCallback

MANUAL = {
    "cleaning": "Wash the bottle by hand. The lid may go into the dishwasher, the bottle may not.",
    "warranty": "The steel is guaranteed for ten years, the lid and its seal for one.",
    "seal": "A lid that leaks needs a new seal: pull the old one out, press the new one in dry.",
    "heat": "Coffee stays hot for eight hours. Do not close the lid over boiling water.",
    "ice": "Ice lasts a day. Do not put the bottle into the freezer: water that freezes bends it.",
}
QUESTION = "My bottle's lid leaks. May the lid go into the dishwasher?"
ANSWER = "Yes, the lid may. That it leaks is the seal: press a new one in, dry."


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower())) - {"the", "may", "and", "into", "for"}


def likeness(question: str, document: Document) -> float:
    """The share of the question's words that the passage has."""
    asked = words(question)
    return round(len(asked & words(document.page_content)) / len(asked), 2)


class ManualRetriever(BaseRetriever):
    """Passages that share words with the question, best first."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        time.sleep(0.03)
        passages = [
            Document(text, id=name, metadata={"section": name}) for name, text in MANUAL.items()
        ]
        return sorted(passages, key=lambda each: -likeness(query, each))


def fake_model() -> GenericFakeChatModel:
    usage = {"input_tokens": 143, "output_tokens": 21, "total_tokens": 164}
    answer = AIMessage(ANSWER, usage_metadata=usage)
    return GenericFakeChatModel(messages=iter([answer]), metadata={"ls_model_name": "fake-1"})


def chosen(xray: XRay, question: str, passages: Sequence[Document]) -> list[Document]:
    """The passages worth reading, with the reasons for each."""
    with xray.step("choose_passages") as step:
        step.set_input({"question": question, "passages": [each.id for each in passages]})
        kept = []
        for rank, passage in enumerate(passages, 1):
            score = likeness(question, passage)
            filters = [
                {"name": "shares words", "passed": score > 0, "detail": f"{score:.0%}"},
                {"name": "among the best 3", "passed": rank <= 3, "detail": f"number {rank}"},
            ]
            qualified = all(each["passed"] for each in filters)
            step.add_evaluation(str(passage.id), passage.metadata, filters, qualified)
            step.add_ranking(str(passage.id), score, passage.page_content)
            if qualified:
                kept.append(passage)
        step.set_output({"kept": [each.id for each in kept]})
        step.set_reasoning("More than three passages make the answer vaguer, not better.")
        return kept


def run_pipeline() -> str:
    """Ask once; the id of the trace."""
    xray = XRay()
    with xray.trace("ask-the-manual") as trace:
        config = {"callbacks": [XRayLangChainCallback(trace)]}
        passages = ManualRetriever().invoke(QUESTION, config=config)
        kept = chosen(xray, QUESTION, passages)
        prompt = ChatPromptTemplate.from_messages(
            [("system", "Answer from this alone:\n{passages}"), ("human", "{question}")]
        )
        chain = prompt | fake_model() | StrOutputParser()
        given = {"passages": "\n".join(each.page_content for each in kept), "question": QUESTION}
        answer = chain.with_config(run_name="answer").invoke(given, config=config)
        trace.set_metadata({"question": QUESTION, "answer": answer})
    xray.close()
    return trace.trace.trace_id


if __name__ == "__main__":
    from picture import lens

    trace_id = run_pipeline()
    lens("trace", trace_id)
    lens("show", trace_id, "--step", "choose_passages")
