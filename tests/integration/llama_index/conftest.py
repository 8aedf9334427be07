"""The real LlamaIndex with its fake models, traced into memory."""

from collections.abc import Iterator

import pytest

from support.llama_index_runs import Indexed


@pytest.fixture
def indexed() -> Iterator[Indexed]:
    indexed = Indexed()
    indexed.instrument()
    yield indexed
    indexed.instrumentor.uninstrument()
    indexed.provider.shutdown()
