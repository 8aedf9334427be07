"""Each module of the redaction says by an example which rule lives there."""

import pkgutil
import re
from importlib import import_module

import pytest

from flujo_otel import redaction
from flujo_otel.redaction import REDACTED, Redactor

PREFIX = f"{redaction.__name__}."
MODULES = [
    each.name for each in pkgutil.walk_packages(redaction.__path__, PREFIX) if not each.ispkg
]
EXAMPLE = re.compile(r"^before: (.+)\nafter: +(.+)$", re.MULTILINE)
EXAMPLES = {name: EXAMPLE.findall(import_module(name).__doc__ or "") for name in MODULES}
WITHOUT_A_RULE = {
    "faults",
    "looks.rules",
    "mark",
    "naming",
    "needles",
    "own",
    "process",
    "table",
}
LEAVES_ALONE = {"schemas"}


def test_a_module_with_a_rule_has_an_example() -> None:
    without = {name.removeprefix(PREFIX) for name in MODULES if not EXAMPLES[name]}
    assert WITHOUT_A_RULE == without


@pytest.mark.parametrize("name", [name for name in MODULES if EXAMPLES[name]])
def test_its_example_is_what_happens(name: str) -> None:
    for before, after in EXAMPLES[name]:
        assert after == Redactor().text(before)
        assert (REDACTED in after) is (name.removeprefix(PREFIX) not in LEAVES_ALONE)
