"""docs/settings.md says what there is."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.settings import SETTINGS, Settings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]


def worded(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_setting_has_one_row_and_every_row_is_a_setting() -> None:
    assert [row[0].split("`")[1] for row in ROWS] == [setting.name for setting in SETTINGS]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_its_row_names_its_variable_and_its_default(setting: Any) -> None:
    [row] = [row for row in ROWS if row[0].startswith(f"`{setting.name}`")]
    default = {field.name: field.default for field in fields(Settings)}[setting.name]
    assert row[1] == f"`{setting.variable}`"
    if default is not None:
        assert row[2] == f"`{worded(default)}`"
