"""Every name in flujo_otel.semconv is in docs/semconv.md."""

from pathlib import Path

import pytest

from flujo_otel.semconv import conversation, flujo, gen_ai, graph, langchain, model_call

DOCUMENT = (Path(__file__).parents[2] / "docs" / "semconv.md").read_text()
NAMES = [
    (name, word)
    for module in (conversation, flujo, gen_ai, graph, langchain, model_call)
    for name, value in vars(module).items()
    if name.isupper()
    for word in (value if isinstance(value, tuple) else (value,))
]


@pytest.mark.parametrize(("name", "word"), NAMES)
def test_each_constant_is_documented(name: str, word: str) -> None:
    assert f"`{word}`" in DOCUMENT, f"{name} is not in docs/semconv.md"


def test_there_are_names_to_check() -> None:
    assert ("RUN_ID", "flujo.run_id") in NAMES
