"""What `import flujo_otel` offers, and what it does not load."""

import subprocess
import sys

import pytest

import flujo_otel

SURFACE = [
    "FlujoInstrumentor",
    "LiveSpanProcessor",
    "PydanticGraphInstrumentor",
    "SQLiteBackend",
    "SQLiteSpanExporter",
    "Step",
    "Trace",
    "TraceManager",
    "XRay",
    "configure",
]
HEAVY = ("opentelemetry.sdk", "flujo", "pydantic", "sqlite3", "google.protobuf", "multiprocessing")


def test_the_public_names_are_these() -> None:
    assert sorted(flujo_otel.__all__) == SURFACE
    assert set(SURFACE) <= set(dir(flujo_otel))
    assert {"Any", "TYPE_CHECKING", "import_module"}.isdisjoint(dir(flujo_otel))


@pytest.mark.parametrize("name", SURFACE)
def test_each_public_name_is_there(name: str) -> None:
    assert callable(getattr(flujo_otel, name))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = flujo_otel.nonsense


@pytest.mark.parametrize("module", ["flujo_otel", "flujo_otel.bootstrap.environment"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
