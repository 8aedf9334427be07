"""docs/redaction.md says what is so."""

import re
from pathlib import Path
from typing import Any

import pytest

from flujo_otel import redaction
from flujo_otel.redaction import OPTIONS, Options, Redactor

PAGE = (Path(__file__).parents[3] / "docs" / "redaction.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^(redactor\(\).+)\n# (.+)$", PAGE, re.MULTILINE)
KEPT = next(line for line in PAGE.splitlines() if line.startswith("- Words about secrets"))


@pytest.fixture(autouse=True)
def ours() -> Any:
    redaction.use(Redactor())
    yield
    redaction.use(None)


@pytest.mark.parametrize(("code", "result"), EXAMPLES)
def test_an_example_gives_what_it_says(code: str, result: str) -> None:
    assert eval(result) == eval(code, {"redactor": redaction.redactor})


def test_there_are_examples() -> None:
    assert 3 == len(EXAMPLES)


def test_the_function_of_the_page_does_what_its_name_says() -> None:
    block = next(each for each in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "def " in each)
    names: dict[str, Any] = {}
    exec(block.partition("flujo_otel.configure")[0], names)
    rules = Redactor(callback=names["without_mail"])
    assert 'to "[MAIL]", ok' == rules.text('to "ann@example.com", ok')
    [(before, after)] = re.findall(r"`({.+})` is recorded as\n +`(.+)`;", PAGE)
    assert after == rules.text(before)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_its_row_names_its_variable_and_its_default(option: Any) -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{option.name}`")]
    assert f"`{option.variable}`" in row
    default = getattr(Options(), option.name)
    assert (f"| `{str(default).lower()}` |" if isinstance(default, bool) else "| none |") in row


def test_what_it_says_stays_stays() -> None:
    for text in re.findall(r"`([^`]+)`", KEPT):
        assert redaction.redactor().text(text) == text
        assert redaction.redactor().attributes({text: "x"}) == {text: "x"}
