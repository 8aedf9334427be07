"""Fixtures for the real flujo: `hooked` (TraceManager), `instrumented`, `traced` (each in turn)."""

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["FLUJO_OTEL_RAISE"] = "1"
with warnings.catch_warnings():
    # flujo's own imports warn on every Python; its warnings are not ours to fix.
    warnings.simplefilter("ignore")
    pytest.importorskip("flujo", reason="these tests need the real flujo: pip install .[flujo]")
    import flujo.application.runner  # noqa: F401

from flujo_otel.integrations.flujo import FlujoInstrumentor, TraceManager
from support.flujo_runs import DetachErrors, Traced


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.flujo)
            # flujo leaves generators, coroutines and deprecations about.
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FLUJO_STATE_URI", "FLUJO_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_detach_errors() -> Iterator[None]:
    """No run makes OpenTelemetry log "Failed to detach context"."""
    handler = DetachErrors()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    assert handler.messages == []


@pytest.fixture
def hooked() -> Iterator[Traced]:
    """Traced by a TraceManager's hook alone."""
    traced = Traced(lambda provider: [TraceManager(provider, pipeline_name="demo").hook])
    yield traced
    traced.check()


@pytest.fixture
def instrumented() -> Iterator[Traced]:
    """Traced by the instrumentor alone."""
    instrumentor = FlujoInstrumentor()
    traced = Traced(lambda _: [])
    instrumentor.instrument(tracer_provider=traced.provider)
    yield traced
    instrumentor.uninstrument()
    traced.check()


@pytest.fixture(params=["hooked", "instrumented"])
def traced(request: pytest.FixtureRequest) -> Traced:
    """Traced in either way, for what must be alike in both."""
    found: Traced = request.getfixturevalue(request.param)
    return found
