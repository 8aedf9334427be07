"""The real pydantic-ai with its test models, traced into memory."""

from collections.abc import Iterator

import pytest

pytest.importorskip("pydantic_ai", reason="pip install .[pydantic-ai]")

from support.agents import TracedAgents


@pytest.fixture
def traced() -> Iterator[TracedAgents]:
    traced = TracedAgents()
    traced.instrument()
    yield traced
    traced.instrumentor.uninstrument()
    traced.provider.shutdown()
