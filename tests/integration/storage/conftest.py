"""Where flujo is installed its warnings are not ours to fix, and its settings must not leak in."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("flujo"):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(autouse=True)
def no_settings_of_flujos(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLUJO_STATE_URI", "FLUJO_CONFIG_PATH", "FLUJO_TEST_MODE"):
        monkeypatch.delenv(name, raising=False)
