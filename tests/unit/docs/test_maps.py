"""A package whose docstring is its map names each of its modules there."""

import pkgutil
import re
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "package",
    [
        "flujo_otel.integrations.flujo",
        "flujo_otel.integrations.flujo.persistence",
        "flujo_otel.spanstore.sqlite",
        "flujo_otel.storage",
        "flujo_otel_cli.comparison",
    ],
)
def test_each_module_is_on_the_map(package: str) -> None:
    found = import_module(package)
    named = set(re.findall(r"\w+", found.__doc__ or ""))
    assert {module.name for module in pkgutil.iter_modules(found.__path__)} <= named
