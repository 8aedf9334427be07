"""Who loads what, in a process of its own each: what import-linter cannot say."""

import subprocess
import sys

import pytest

HEAVY = ("opentelemetry.sdk", "flujo", "pydantic", "google.protobuf", "sqlite3")


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("flujo_otel", HEAVY),
        ("flujo_otel.integrations.flujo", ("opentelemetry.sdk", "flujo", "pydantic", "sqlite3")),
        ("flujo_otel.integrations.langchain", (*HEAVY, "langchain_core", "llama_index.core")),
        ("flujo_otel.integrations.llama_index", (*HEAVY, "langchain_core", "llama_index.core")),
        ("flujo_otel.integrations.pydantic_ai", (*HEAVY, "pydantic_ai", "pydantic_graph")),
        (
            "flujo_otel.integrations.pydantic_graph",
            ("opentelemetry.sdk", "flujo", "pydantic", "pydantic_graph", "sqlite3"),
        ),
        ("flujo_otel.spanstore.sqlite.reader", ("opentelemetry", "flujo", "pydantic")),
        ("flujo_otel_cli.command_line", HEAVY),
    ],
)
def test_a_module_loads_nothing_heavy_before_it_is_needed(
    module: str, never: tuple[str, ...]
) -> None:
    script = f"import sys, {module}; print(*(name for name in {never} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "" == done.stdout.strip()
