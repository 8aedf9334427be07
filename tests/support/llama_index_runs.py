"""An index of two documents in the real LlamaIndex, with its fake models, traced into memory."""

from typing import Any

from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.llms import MockLLM

from flujo_otel.integrations.llama_index import LlamaIndexInstrumentor
from support.memory_trace import MemoryTrace


class Indexed(MemoryTrace):
    """The index was built before anything was traced."""

    def __init__(self) -> None:
        super().__init__()
        self.instrumentor = LlamaIndexInstrumentor()
        documents = [Document(text="cats purr", id_="cats"), Document(text="dogs bark", id_="dogs")]
        self.index = VectorStoreIndex.from_documents(
            documents, embed_model=MockEmbedding(embed_dim=4)
        )

    def instrument(self, **options: Any) -> None:
        self.instrumentor.instrument(tracer_provider=self.provider, **options)

    def engine(self, llm: Any = None, **options: Any) -> Any:
        return self.index.as_query_engine(llm=llm or MockLLM(max_tokens=8), **options)
