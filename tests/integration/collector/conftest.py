"""One collector for the tests of a module that leave it as it was."""

from collections.abc import Iterator

import pytest

from support.collector import SMALL_BYTES, Collector, collector


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(tmp_path_factory.mktemp("collector") / "otel.db") as running:
        yield running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One with a low limit of size."""
    db = tmp_path_factory.mktemp("small") / "otel.db"
    with collector(db, max_request_bytes=SMALL_BYTES) as running:
        yield running
