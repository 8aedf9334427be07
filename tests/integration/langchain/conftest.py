"""A callback that records into memory, and every run of it ended."""

from collections.abc import Iterator

import pytest

from support.langchain_runs import Traced


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    yield traced
    assert 0 == len(traced.callback._open), "a run was left open"
    traced.provider.shutdown()
